"""What a network loses when its units are deleted, exchanged, or kept alone.

Veit, Wilber and Belongie 2016, Section 4 (arXiv 1605.06431). Every experiment is done with the BN statistics of the
file, as in the paper, and with statistics that are estimated again for the changed network.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.evaluate.matching import check_classes
from cardinet.evaluate.opening import read_model
from cardinet.explain.answer import Answer
from cardinet.explain.batch_norm import even_size, norms_in
from cardinet.explain.batches import KeptBatches, drawn_pictures
from cardinet.explain.lesion_page import Drawn, EachUnit, Lesions, document, lead, limits, sections, strip
from cardinet.explain.lesions import Variation, measure
from cardinet.explain.question import Question, Subject
from cardinet.explain.random_lesions import deletions, exchanges
from cardinet.explain.units import Changed, Editable, editable

NOTHING = "no unit can be deleted: all change the shape and have no shortcut."


class Lesion(Question):
    """What is lost when units are deleted, exchanged, or kept alone?"""

    ALSO: ClassVar[tuple[str, ...]] = ("train",)

    estimate: Annotated[int, Field(ge=0)] | None = None
    """The training pictures from which the BN statistics of a changed network are estimated again; 0: they are not.
    none: 512 of 32 pixels, fewer of larger ones, at least 64.
    """

    draws: Annotated[int, Field(ge=1, le=1000)] = 5
    """The random choices for each number of deleted or exchanged units."""

    counts: Annotated[int, Field(ge=2, le=1000)] = 8
    """How many different numbers of deleted units are tried between none and all, and how many of exchanges."""

    pictures: Annotated[int, Field(ge=1)] | None = None
    """The pictures of the random experiments, drawn from the split; the deletion of each unit uses the whole split.
    none: 1,000 of 32 pixels, fewer of larger ones, at least 100.
    """

    contrast: str | None = None
    """A run folder or model file, such as a plain network of the same depth, for the same charts and pictures."""

    def problems(self, network: Classifier) -> list[str]:
        return [] if editable(network).units else [NOTHING]

    def check(self) -> None:
        if self.contrast is not None:
            read_model(self.contrast)

    def answer(self, subject: Subject) -> Answer:
        contrast = self._contrast(subject)
        own = self._lesions(subject, editable(subject.network), "")
        other = None if contrast is None else self._lesions(*contrast, "contrast: ")
        return Answer(
            "Lesions",
            lead(own, other),
            sections(own, other),
            document(own, other),
            strip(own, other),
            limits(own.train > 0, any(step.name == "fold" for step in subject.model.rewrites)),
        )

    def _contrast(self, subject: Subject) -> tuple[Subject, Editable] | None:
        """The second model, asked about the same pictures. Raises RequestError with all reasons if it cannot be."""
        if self.contrast is None:
            return None
        findings, found, source = Findings(), None, subject.opened.source
        assert source is not None
        model = read_model(self.contrast, str(subject.device))
        with findings:
            check_classes(model, source)
        with findings:
            if not isinstance(model.network, Classifier):
                raise RequestError(f"{type(model.network).__name__} is not a network of Cardinet, so it has no units.")
            found = editable(model.network)
            if not found.units:
                raise RequestError(NOTHING)
        if findings:
            raise RequestError(*(f"contrast = {self.contrast}: {one}" for e in findings.errors for one in e.findings))
        assert found is not None
        return replace(subject, opened=replace(subject.opened, model=model), name=self.contrast, run=None), found

    def _lesions(self, subject: Subject, found: Editable, whose: str) -> Lesions:
        """All experiments on a model."""
        test, train = KeptBatches(subject, subject.opened.measured.pictures), self._training_pictures(subject, found)
        each = [found.deleted(()), *(found.deleted([i]) for i in range(len(found.units)))]
        whole, *without = _measured(subject, found, each, test, train, f"{whose}deleting each unit")
        few = KeptBatches(subject, drawn_pictures(test.split, _number(self.pictures, 1000, 100, subject), subject.seed))
        chooser = random.Random(f"{subject.seed}, lesions")
        deleted = deletions(found, chooser, self.counts, self.draws)
        moved = exchanges(found, chooser, self.counts, self.draws)
        choices = [*deleted, *moved]
        changed = [one.changed for one in choices]
        scored = _measured(subject, found, changed, few, train, f"{whose}deleting several, exchanging")
        points = [Drawn(one.x, score.as_is, score.estimated) for one, score in zip(choices, scored, strict=True)]
        return Lesions(
            EachUnit(whole, found.units, without, found.fixed, len(found.chain.steps)),
            points[: len(deleted)],
            points[len(deleted) :],
            test.count,
            few.count,
            0 if train is None else train.count,
        )

    def _training_pictures(self, subject: Subject, found: Editable) -> KeptBatches | None:
        """The training pictures for the statistics, in nearly equal batches; None if nothing is to be estimated."""
        source = subject.opened.source
        has_norms = bool(norms_in(step.module for step in found.chain.steps))
        if source is None or "train" not in source.splits or self.estimate == 0 or not has_norms:
            return None
        few = drawn_pictures(source.splits["train"], _number(self.estimate, 512, 64, subject), subject.seed)
        return KeptBatches(replace(subject, batch_size=even_size(len(few), subject.batch_size)), few)


def _number(chosen: int | None, most: int, least: int, subject: Subject) -> int:
    """How many pictures: as chosen, else `most` of 32 pixels or larger ones with as many pixels, at least `least`."""
    return max(least, min(most, most * 32**2 // subject.model.preprocessing.crop**2)) if chosen is None else chosen


def _measured(
    subject: Subject,
    found: Editable,
    changed: Sequence[Changed],
    test: KeptBatches,
    train: KeptBatches | None,
    what: str,
) -> list[Variation]:
    """The scores of changed networks."""
    total = test.count + (0 if train is None else train.count)
    done = 0

    def progress(pictures: int) -> None:
        nonlocal done
        done += pictures
        subject.progress(what, done, total)

    return measure(found, changed, test, train, progress)
