"""What a network loses when its units are deleted, exchanged, or kept alone.

Veit, Wilber and Belongie 2016, Section 4 (arXiv 1605.06431). Every experiment is done with the BN statistics of the
file, as in the paper, and with statistics that are estimated again for the changed network.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.evaluate.matching import check_classes
from cardinet.evaluate.opening import read_model
from cardinet.explain.answer import Answer, Section
from cardinet.explain.batches import KeptBatches, drawn
from cardinet.explain.figures import Bar, Bars, Chart, Figure, Format, Line, Point, Table
from cardinet.explain.lesions import Edit, Score, Variation, measure, variations
from cardinet.explain.question import Question, Subject
from cardinet.explain.random_lesions import Experiment, delete, deletions, exchanges, keepings
from cardinet.explain.units import Unit, editable

DELETED = "So many units are deleted at random; each number is drawn several times."
KEPT = "Only so many units keep their branch, drawn at random; of all others only the shortcut passes."
EXCHANGED = "Pairs of units of one stage and shape change places; tau is 1 for the trained order."
AS_IS, ESTIMATED = "file's statistics", "estimated again"


class Lesion(Question):
    """What is lost when units are deleted, exchanged, or kept alone?"""

    ALSO: ClassVar[tuple[str, ...]] = ("train",)

    estimate: Annotated[int, Field(ge=0)] = 512
    """The training pictures from which the BN statistics of a changed network are estimated; 0: they are not."""

    draws: Annotated[int, Field(ge=1, le=1000)] = 5
    """The random choices for each number of deleted, kept or exchanged units."""

    counts: Annotated[int, Field(ge=2, le=100)] = 6
    """How many different numbers of deleted, kept and exchanged units are tried."""

    pictures: Annotated[int, Field(ge=1)] = 1000
    """The pictures of the random experiments, drawn from the split; the deletion of each unit uses the whole split."""

    contrast: str | None = None
    """A second model, such as a plain network of the same depth, whose units are deleted on the same pictures."""

    def problems(self, network: Classifier) -> list[str]:
        return [] if editable(network).units else ["no unit can be deleted: all change the shape."]

    def answer(self, subject: Subject) -> Answer:
        test = KeptBatches(subject, subject.opened.measured.pictures)
        train = self._training_pictures(subject)
        single = each_unit(subject, subject.network, test, train, "deleting each unit")
        other = self._contrast(subject, test)
        few = KeptBatches(subject, drawn(test.split, self.pictures, subject.seed))
        run = partial(self._random, subject, few, train)
        base, units = self._base(subject, few), len(single.units)
        several = run(deletions, "deleting several")
        kept = run(keepings, "keeping a few")
        moved = run(exchanges, "exchanging")
        sections = [
            _each_section(single, other, test.count),
            _random_section("Several units deleted", "deleted units", several, few.count, DELETED, (0, base)),
            _random_section("Only some units kept", "kept branches", kept, few.count, KEPT, (units, base)),
            _random_section("Units exchanged", "Kendall's tau of the order", moved, few.count, EXCHANGED, (1, base)),
        ]
        document = {
            "pictures": test.count,
            "random_pictures": few.count,
            "each": single.document(),
            "contrast": None if other is None else other.document(),
            "delete": [one.document() for one in several],
            "keep": [one.document() for one in kept],
            "exchange": [one.document() for one in moved],
        }
        return Answer("Lesions", _lead(single, other), sections, document, _strip(single, other), _limits(train))

    def _training_pictures(self, subject: Subject) -> KeptBatches | None:
        """The training pictures for the statistics, if there are any and they are asked for."""
        source = subject.opened.source
        if not self.estimate or source is None or "train" not in source.splits:
            return None
        return KeptBatches(subject, drawn(source.splits["train"], self.estimate, subject.seed))

    def _contrast(self, subject: Subject, test: KeptBatches) -> EachUnit | None:
        """The deletion of each unit of the second model. Raises RequestError for another model than can be compared."""
        if self.contrast is None:
            return None
        model = read_model(self.contrast, str(test.device))
        source = subject.opened.source
        assert source is not None
        check_classes(model, source)
        if model.preprocessing != subject.model.preprocessing:
            raise RequestError(f"contrast = {self.contrast}: it has another preprocessing, so the pictures differ.")
        assert isinstance(model.network, Classifier)
        return each_unit(subject, model.network, test, None, "deleting each unit of the contrast")

    def _base(self, subject: Subject, test: KeptBatches) -> float:
        """The error of the whole network on the pictures of the random experiments."""
        (whole,) = variations(subject.network, [("whole", lambda edited: edited.delete(()))])
        measure(subject.network, [whole], test, None)
        return whole.as_is.error

    def _random(
        self, subject: Subject, test: KeptBatches, train: KeptBatches | None, experiment: Experiment, what: str
    ) -> list[Drawn]:
        """The scores of a random experiment."""
        chooser = random.Random(f"{subject.seed}, {what}")
        chosen = experiment(editable(subject.network), chooser, self.counts, self.draws)
        changed = variations(subject.network, [(one.label, one.edit) for one in chosen])
        _measure(subject, subject.network, changed, test, train, what)
        return [Drawn(one.x, found.as_is, found.estimated) for one, found in zip(chosen, changed, strict=True)]


@dataclass(frozen=True)
class EachUnit:
    """The score of the whole network, and after the deletion of each unit by name."""

    whole: Score
    whole_estimated: Score | None
    units: Sequence[Unit]
    deleted: Sequence[Variation]
    fixed: Sequence[str]

    @property
    def keeping_shape(self) -> list[Variation]:
        """The deletions of units whose input and output have one shape."""
        return [one for unit, one in zip(self.units, self.deleted, strict=True) if unit.keeps_shape]

    def document(self) -> Mapping[str, object]:
        """Plain data."""
        rows = [
            {
                "unit": one.label,
                "stage": unit.stage,
                "keeps_shape": unit.keeps_shape,
                **_figures(one.as_is, one.estimated),
            }
            for unit, one in zip(self.units, self.deleted, strict=True)
        ]
        return {"whole": _figures(self.whole, self.whole_estimated), "units": rows, "fixed": list(self.fixed)}


@dataclass(frozen=True)
class Drawn:
    """The score of one random change at a place on the axis."""

    x: float
    as_is: Score
    estimated: Score | None

    def document(self) -> Mapping[str, object]:
        """Plain data."""
        return {"x": self.x, **_figures(self.as_is, self.estimated)}


def each_unit(
    subject: Subject, network: Classifier, test: KeptBatches, train: KeptBatches | None, what: str
) -> EachUnit:
    """Delete every unit of a network, one at a time."""
    found = editable(network)
    edits: list[tuple[str, Edit]] = [("whole", lambda edited: edited.delete(()))]
    edits += [(unit.name, partial(delete, chosen=(i,))) for i, unit in enumerate(found.units)]
    whole, *deleted = variations(network, edits)
    _measure(subject, network, [whole, *deleted], test, train, what)
    return EachUnit(whole.as_is, whole.estimated, found.units, deleted, found.fixed)


def _measure(
    subject: Subject,
    network: Classifier,
    changed: Sequence[Variation],
    test: KeptBatches,
    train: KeptBatches | None,
    what: str,
) -> None:
    total = test.count + (0 if train is None else train.count)
    done = 0

    def progress(pictures: int) -> None:
        nonlocal done
        done += pictures
        subject.progress(what, done, total)

    measure(network, changed, test, train, progress)


def _figures(as_is: Score, estimated: Score | None) -> dict[str, object]:
    found: dict[str, object] = {"error": as_is.error, "loss": as_is.loss}
    if estimated is not None:
        found |= {"estimated_error": estimated.error, "estimated_loss": estimated.loss}
    return found


def _lead(single: EachUnit, other: EachUnit | None) -> list[str]:
    worst = max(single.deleted, key=lambda one: one.as_is.error)
    text = f"The whole network errs on {_percent(single.whole)}."
    if keeping := single.keeping_shape:
        mean = statistics.fmean(one.as_is.error for one in keeping)
        text += (
            f" Without one of its {len(keeping)} units that keep the shape it errs on {100 * mean:.2f} % on average."
        )
    found = [text, f"The dearest unit is {worst.label}: without it the error is {_percent(worst.as_is)}."]
    if other is not None and (keeping := other.keeping_shape):
        mean = statistics.fmean(one.as_is.error for one in keeping)
        found.append(f"The contrast errs on {_percent(other.whole)}, and without one unit on {100 * mean:.2f} %.")
    return found


def _strip(single: EachUnit, other: EachUnit | None) -> dict[str, str]:
    errors = [one.as_is.error for one in single.keeping_shape]
    strip = {"error of the whole": _percent(single.whole)}
    if errors:
        strip["without one unit, mean"] = f"{100 * statistics.fmean(errors):.2f} %"
        strip["without one unit, worst"] = f"{100 * max(errors):.2f} %"
    if other is not None and (errors := [one.as_is.error for one in other.keeping_shape]):
        strip["contrast, without one unit"] = f"{100 * statistics.fmean(errors):.2f} %"
    return strip


def _percent(score: Score) -> str:
    return f"{100 * score.error:.2f} %"


def _each_section(single: EachUnit, other: EachUnit | None, count: int) -> Section:
    series = [AS_IS] if single.whole_estimated is None else [AS_IS, ESTIMATED]
    bars = []
    for one in single.deleted:
        bars.append(Bar(one.label, one.as_is.error))
        if one.estimated is not None:
            bars.append(Bar(one.label, one.estimated.error, series=1))
    level = (single.whole.error, "whole network")
    figures: list[Figure] = [
        Bars("Error without each unit", "unit", "error", bars, series, format="percent", level=level),
    ]
    if other is not None:
        theirs = [Bar(one.label, one.as_is.error) for one in other.deleted]
        level = (other.whole.error, "whole contrast")
        figures.append(Bars("The contrast without each unit", "unit", "error", theirs, format="percent", level=level))
    rows = [
        (one.label, "yes" if unit.keeps_shape else "no", *_values(one))
        for unit, one in zip(single.units, single.deleted, strict=True)
    ]
    columns = ("unit", "keeps the shape", "error", "loss", "error, estimated again", "loss, estimated again")
    formats: tuple[Format | None, ...] = (None, None, "percent", None, "percent", None)
    figures.append(Table("Every unit", columns, rows, formats, folded=len(rows) > 12))
    text = [f"One unit at a time is deleted; {count:,} pictures, each counted once."]
    if single.fixed:
        text.append(f"These change the shape and have no shortcut, so they stay: {', '.join(single.fixed)}.")
    return Section("One unit deleted", text, figures)


def _values(one: Variation) -> tuple[float | None, ...]:
    again = (None, None) if one.estimated is None else (one.estimated.error, one.estimated.loss)
    return (one.as_is.error, one.as_is.loss, *again)


def _random_section(title: str, axis: str, drawn: Sequence[Drawn], count: int, text: str, whole: Point) -> Section:
    """Lines through the means of the draws at each place, with the range of the draws."""
    if not drawn:
        return Section(title, [text])
    lines = [_line(AS_IS, [(one.x, one.as_is) for one in drawn], whole)]
    again = [(one.x, one.estimated) for one in drawn if one.estimated is not None]
    if again:
        lines.append(_line(ESTIMATED, again, whole))
    note = f"{count:,} pictures; the band has all draws"
    return Section(title, [text], [Chart(f"Error: {title.lower()}", axis, "error", lines, note, format="percent")])


def _line(label: str, scores: Sequence[tuple[float, Score]], whole: Point) -> Line:
    places: dict[float, list[float]] = {whole[0]: [whole[1]]}
    for x, score in scores:
        places.setdefault(round(x, 2), []).append(score.error)
    points = sorted(places.items())
    return Line(
        label,
        [(x, statistics.fmean(errors)) for x, errors in points],
        [(x, min(errors), max(errors)) for x, errors in points],
        dots=True,
    )


def _limits(train: KeptBatches | None) -> list[str]:
    found = [
        "A network with non-linear units has no single path that could be cut out: a kept branch sees the sum of all "
        "that was kept before it.",
        "Without a unit the later units see maps that they were not trained on; the estimated statistics mend only the "
        "means and variances behind the first change.",
    ]
    if train is None:
        found.append("No BN statistics were estimated again: there are no training pictures, or estimate = 0.")
    return found
