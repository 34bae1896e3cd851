"""What each of the aggregated transforms of a unit contributes, and how much the transforms repeat each other.

A transform is left out, and the error and the loss are measured again (`explain.contributions`). The outputs of the
transforms of a unit are compared by linear CKA (`explain.similarity`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.amounts import amount
from cardinet.base.documents import finite
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.data.source import Split
from cardinet.explain.answer import Answer, Section
from cardinet.explain.batches import drawn_pictures, require_pass, sample
from cardinet.explain.contributions import Answers, Contributions, contributions
from cardinet.explain.figures import Format, HeatMap, Table
from cardinet.explain.pictures import names_and_labels
from cardinet.explain.question import Question, Subject
from cardinet.explain.similarity import off_diagonal_means
from cardinet.explain.transforms import units_with_transforms
from cardinet.rewrite.packing import unpack
from cardinet.runs.prediction import as_input

CLEAR = 2.0
"""A change is clear if it is more than this many standard errors from 0; one in 44 is above that by chance."""
CKA = (0.0, 1.0)
"""The least and the largest linear CKA."""
BY_CHANCE = 0.0228
"""The share of changes that lie more than 2 standard errors above 0 by chance."""


class Cardinality(Question):
    """What does each transform of a unit contribute, and how alike are the transforms?"""

    ARRAYS = "several"

    pictures: Annotated[int, Field(ge=2, le=100_000)] = 256
    """The pictures that are looked at, drawn by the seed; the time grows with their number."""

    def problems(self, network: Classifier) -> list[str]:
        if units_with_transforms(network) or units_with_transforms(_unpacked(network)):
            return []
        return [
            "no unit of this network has aggregated transforms that a later layer sums, so there are none to compare. "
            "A network with a cardinality has them (ResNeXt, SE-ResNeXt, SKNet, ResNeSt)."
        ]

    def answer(self, subject: Subject) -> Answer:
        batch = sample(subject, self.pictures)
        if len(batch.labels) < 2:
            raise RequestError("cardinality: one picture gives no standard error, and there is only one; give more.")
        require_pass(subject, len(batch.labels))
        network = _unpacked(subject.network)
        whole, found = contributions(
            network,
            as_input(network, batch.pixels),
            batch.labels,
            batch_size=subject.batch_size,
            progress=lambda done, total: subject.progress("leaving out transforms", done, total),
        )
        units = [UnitResult.of(one, whole) for one in found]
        n, error = len(batch.labels), float(whole.wrong.double().mean())
        count, clear = sum(len(unit.loss) for unit in units), sum(unit.clear for unit in units)
        strip = {
            "units with transforms": str(len(units)),
            "transforms": f"{count:,}",
            "pictures": f"{n:,}",
            "error with all": f"{100 * error:.2f} % \u00b1 {100 * float(_spread(whole.wrong.double())):.2f}",
            "loss with all": f"{float(whole.loss.mean()):.4g}",
        }
        document = {
            "pictures": n,
            "whole": {"error": error, "loss": float(whole.loss.mean())},
            "units": [
                unit.document() | {"similarity": finite(one.similarity.tolist())}
                for unit, one in zip(units, found, strict=True)
            ],
        }
        lead = [_lead(units, count, clear), _alike(units)]
        sections = [_contribution(units, n), _redundancy(units, found), _table(units, n)]
        few = drawn_pictures(subject.opened.measured.pictures, self.pictures, subject.seed)
        arrays = _arrays(few, subject.model.classes, whole, found)
        return Answer("Cardinality", lead, sections, document, strip, _limits(n), arrays)


@dataclass(frozen=True)
class UnitResult:
    """The figures of a unit, one value for each transform: mean changes with their standard errors, mean similarity."""

    unit: str
    error: Sequence[float]
    error_spread: Sequence[float]
    loss: Sequence[float]
    loss_spread: Sequence[float]
    alike: Sequence[float | None]

    @classmethod
    def of(cls, found: Contributions, whole: Answers) -> UnitResult:
        """The figures of a unit from the answers to each picture."""
        error, loss = found.changes(whole)
        alike = [None if value != value else value for value in off_diagonal_means(found.similarity).tolist()]
        return cls(
            found.unit,
            error.mean(1).tolist(),
            _spread(error).tolist(),
            loss.mean(1).tolist(),
            _spread(loss).tolist(),
            alike,
        )

    @property
    def clear(self) -> int:
        """The number of transforms without which the loss clearly rises."""
        return sum(change > CLEAR * spread for change, spread in zip(self.loss, self.loss_spread, strict=True))

    @property
    def redundancy(self) -> float | None:
        """The mean similarity of two transforms of the unit."""
        known = [value for value in self.alike if value is not None]
        return sum(known) / len(known) if known else None

    def document(self) -> dict[str, Any]:
        """All figures as plain data."""
        means = {f"mean_{name}": _mean(getattr(self, name)) for name in ("error", "loss", "loss_spread")}
        return {**vars(self), "transforms": len(self.loss), **means, "clear": self.clear, "redundancy": self.redundancy}


def _arrays(
    split: Split, classes: Sequence[str], whole: Answers, found: Sequence[Contributions]
) -> dict[str, npt.NDArray[Any]]:
    """For each picture whether the answer is wrong and its loss, (pictures,), and by unit the same without each of its
    transforms, (transforms, pictures), and the similarity of the transforms, (transforms, transforms).
    """
    arrays = {**names_and_labels(split, classes), "wrong": whole.wrong, "loss": whole.loss}
    for one in found:
        arrays[f"{one.unit}.wrong"], arrays[f"{one.unit}.loss"] = one.without.wrong, one.without.loss
        arrays[f"{one.unit}.similarity"] = one.similarity
    return {name: values.cpu().numpy() if isinstance(values, Tensor) else values for name, values in arrays.items()}


def _unpacked(network: Classifier) -> Classifier:
    """The same function with the transforms of its description, if its groups are packed and can be split again."""
    try:
        found = unpack(network)
    except RequestError:
        return network
    assert isinstance(found, Classifier)
    return found


def _spread(values: Tensor) -> Tensor:
    """The standard error of the mean over the last axis."""
    return values.std(-1) / math.sqrt(values.shape[-1])


def _lead(units: Sequence[UnitResult], count: int, clear: int) -> str:
    largest, unit, index = max((change, unit.unit, i) for unit in units for i, change in enumerate(unit.loss, 1))
    said = (
        f"The loss clearly rises without {clear:,} of the {count:,} transforms, left out one at a time; by chance it "
        f"would without about {BY_CHANCE * count:.0f}."
    )
    return f"{said} The largest rise, {largest:.3g}, is that of transform {index} of {unit}."


def _alike(units: Sequence[UnitResult]) -> str:
    known = [(unit.redundancy, unit.unit) for unit in units if unit.redundancy is not None]
    if not known:
        return "The outputs of all transforms are constant on these pictures, so they cannot be compared."
    (low, least), (high, most) = min(known), max(known)
    if len(known) == 1:
        return f"Two transforms of {most} have on average a similarity of {high:.2f} (linear CKA, 0 to 1)."
    return (
        f"Two transforms of a unit have on average a similarity of {low:.2f} ({least}) to {high:.2f} ({most}), by "
        "linear CKA from 0 to 1."
    )


def _map(title: str, units: Sequence[UnitResult], values: Sequence[Sequence[float | None]], **more: Any) -> HeatMap:
    """A map with a row for each unit and a column for each transform."""
    widest = max(map(len, values))
    rows = [[*row, *[None] * (widest - len(row))] for row in values]
    return HeatMap(title, [unit.unit for unit in units], [str(i) for i in range(1, widest + 1)], rows, **more)


def _contribution(units: Sequence[UnitResult], n: int) -> Section:
    return Section(
        "What each transform contributes",
        [
            f"Each transform was left out alone, and {n:,} pictures passed the rest of the network. A row is a unit, a "
            "column a transform. A change within 2 standard errors of 0 has no colour: it may be chance.",
        ],
        [
            _map(
                "Change of the loss without the transform",
                units,
                [_clear(unit.loss, unit.loss_spread) for unit in units],
                middle=0.0,
                note="cross-entropy, nats",
            ),
            _map(
                "Change of the error without the transform",
                units,
                [_clear(unit.error, unit.error_spread) for unit in units],
                middle=0.0,
                format="percent",
                note="percentage points",
            ),
        ],
    )


def _clear(changes: Sequence[float], spreads: Sequence[float]) -> list[float]:
    """The changes that are clear; the others are 0."""
    return [c if abs(c) > CLEAR * spread else 0.0 for c, spread in zip(changes, spreads, strict=True)]


def _redundancy(units: Sequence[UnitResult], found: Sequence[Contributions]) -> Section:
    known = [unit.redundancy or 0.0 for unit in units]
    most = known.index(max(known))
    pairs = found[most].similarity
    names = [str(i) for i in range(1, len(pairs) + 1)]
    cells = finite(pairs.tolist())
    return Section(
        "How alike the transforms are",
        [
            "Linear CKA compares what two transforms add to the sum of their unit, over all positions of all pictures: "
            "1 if they are equal up to a rotation and a factor, 0 if they are uncorrelated. An empty cell is a "
            "transform whose output is constant on these pictures."
        ],
        [
            _map(
                "Mean similarity to the other transforms of the unit",
                units,
                [unit.alike for unit in units],
                ends=CKA,
                note="linear CKA",
            ),
            HeatMap(f"All pairs of {units[most].unit}, the most alike", names, names, cells, "linear CKA", ends=CKA),
        ],
    )


def _table(units: Sequence[UnitResult], n: int) -> Section:
    rows = [
        (
            unit.unit,
            len(unit.loss),
            unit.clear,
            _mean(unit.loss),
            max(unit.loss),
            _mean(unit.loss_spread),
            _mean(unit.error),
            max(unit.error),
            unit.redundancy,
        )
        for unit in units
    ]
    columns = (
        "unit",
        "transforms",
        "clear rises",
        "mean change of loss",
        "largest",
        "standard error",
        "mean change of error",
        "largest change",
        "similarity",
    )
    formats: tuple[Format | None, ...] = (None, "integer", "integer", None, None, None, "percent", "percent", None)
    about = f"n = {amount(n, 'picture')}; a rise of the loss is clear above 2 standard errors"
    return Section("By unit", (), [Table("The transforms of each unit", columns, rows, formats, note=about)])


def _mean(values: Sequence[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).mean())


def _limits(n: int) -> list[str]:
    return [
        f"The standard errors are those of {amount(n, 'picture')} drawn from the split; the trained weights are "
        "one draw too.",
        "A transform that can be left out alone need not be superfluous: another one like it may take its place. Two "
        "left out together may change much more than the sum of their changes.",
        "The other layers, their BN statistics and the attention keep what they learned with all transforms.",
        "Linear CKA says how alike outputs are, not whether the network needs both.",
    ]
