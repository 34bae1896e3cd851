"""Where the network errs, which labels are probably wrong, and which pictures are in two splits.

The data are never changed: what a user decides goes into a file of its own.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from cardinet.base.errors import Findings
from cardinet.data.near_duplicates import near_duplicates, thumbnails
from cardinet.data.splitting import WHOLE
from cardinet.evaluate.outputs import Outputs, outputs
from cardinet.evaluate.pictures import was_trained_on
from cardinet.explain.answer import Answer
from cardinet.explain.decisions import check_decisions, write_decisions
from cardinet.explain.extras import require_library
from cardinet.explain.label_errors import LabelError, probable_label_errors
from cardinet.explain.mistakes_found import MistakesFound, Twins, decisions
from cardinet.explain.mistakes_page import confident_section, confused_section, duplicates_section, labels_section
from cardinet.explain.out_of_sample import fold_probabilities
from cardinet.explain.question import Question, Subject

ONE_CLASS = "All pictures have one class, so label errors were not looked for."


class Mistakes(Question):
    """Where does the network err, and which labels are probably wrong?"""

    ALSO: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    shown: Annotated[int, Field(ge=0, le=500)] = 24
    """The largest number of pictures of each kind that are shown."""

    label_errors: bool = True
    """Whether probable label errors are looked for, by cleanlab (the extra explain)."""

    probabilities: Literal["auto", "model", "folds"] = "auto"
    """Where the probabilities for label errors come from: the model's own answers, or classifiers of its features that
    are fitted on other folds. auto: folds for training pictures, else the model."""

    folds: Annotated[int, Field(ge=2, le=50)] = 5
    """The number of folds."""

    duplicates: bool = True
    """Whether near-duplicates are looked for in the other splits."""

    # Looked at, from 0.98 on: all 10 pairs of flowers were true; of about half of 44 pairs of CIFAR-10 one was false.
    alike: Annotated[float, Field(gt=0.5, le=1.0)] = 0.98
    """Two pictures are near-duplicates if their small grey pictures have at least this correlation."""

    decisions: Path | None = None
    """A new CSV file with a row for each probable label error and near-duplicate, to decide about."""

    @property
    def also(self) -> tuple[str, ...]:
        return self.ALSO if self.duplicates else ()

    def check(self) -> None:
        findings = Findings()
        with findings:
            if self.label_errors:
                require_library("cleanlab", "label_errors", "Or leave label errors out: --set label_errors=false.")
        with findings:
            if self.decisions is not None:
                check_decisions(self.decisions)
        findings.raise_if_any()

    def answer(self, subject: Subject) -> Answer:
        pictures, classes = subject.opened.measured, subject.model.classes
        split = pictures.pictures
        found = outputs(
            subject.model,
            split,
            batch_size=subject.batch_size,
            workers=subject.workers,
            progress=partial(subject.progress, "pictures"),
        )
        wrong = np.flatnonzero(found.predicted != found.truth)
        wrong = wrong[np.argsort(-found.logs.max(1)[wrong], kind="stable")]
        matrix = np.bincount(found.truth * len(classes) + found.predicted, minlength=len(classes) ** 2)
        confusion = matrix.reshape(len(classes), len(classes))
        sections = [
            confident_section(split, found, wrong, classes, self.shown),
            confused_section(confusion, classes),
        ]
        one_class = len(np.unique(found.truth)) < 2
        errors, source = self._label_errors(subject, found) if self.label_errors and not one_class else (None, "")
        if errors is not None:
            sections.append(labels_section(split, errors, classes, source, self.shown))
        twins = self._duplicates(subject) if self.duplicates else []
        if self.duplicates:
            sections.append(duplicates_section(split, twins, classes, self.alike, self.shown))
        if self.decisions is not None:
            write_decisions(self.decisions, decisions(split, errors or [], twins, classes))
        result = MistakesFound(split, found, wrong, confusion, classes, errors, source, twins, self.decisions)
        limits = [*([ONE_CLASS] if self.label_errors and one_class else []), *result.limits()]
        return Answer("Mistakes", result.lead(), sections, result.to_document(), result.strip(), limits)

    def _label_errors(self, subject: Subject, found: Outputs) -> tuple[list[LabelError], str]:
        """The probable label errors, and where their probabilities come from."""
        by_folds = self.probabilities == "folds"
        if self.probabilities == "auto":
            by_folds = subject.opened.measured.split == "train" or _trained_on_all(subject)
        if not by_folds:
            return probable_label_errors(found.truth, np.exp(found.logs)), "model"
        probabilities = fold_probabilities(
            found.features,
            found.truth,
            len(subject.model.classes),
            folds=self.folds,
            seed=subject.seed,
            progress=partial(subject.progress, "folds"),
        )
        return probable_label_errors(found.truth, probabilities), "folds"

    def _duplicates(self, subject: Subject) -> list[Twins]:
        """The near-duplicates of the pictures in each other split."""
        pictures = subject.opened.measured
        own = thumbnails(pictures.pictures, partial(subject.progress, f"small pictures of {pictures.split}"))
        found = []
        for name, other in pictures.source.splits.items():
            if name != pictures.split:
                theirs = thumbnails(other, partial(subject.progress, f"small pictures of {name}"))
                found.append(Twins(other, tuple(near_duplicates(own, theirs, self.alike))))
        return found


def _trained_on_all(subject: Subject) -> bool:
    """Whether the pictures are a whole source that has training pictures of the model in it."""
    pictures = subject.opened.measured
    return pictures.split == WHOLE and was_trained_on(subject.model, pictures.source)
