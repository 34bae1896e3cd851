"""The scores of classes that are questions of their own: average precision, precision, recall and F1 at thresholds.

Average precision is that of scikit-learn's `average_precision_score`: the sum over the distinct scores of precision
times the gain of recall, without interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint8]

POINTS = 200
"""The most points of a precision-recall curve that is kept for a figure."""


@dataclass(frozen=True)
class Curve:
    """Precision and recall of one class at each distinct score, the highest first; `hits` are the true labels."""

    recall: Floats
    precision: Floats
    hits: npt.NDArray[np.int64]
    lowest: npt.NDArray[np.int64]
    """The number of pictures with this score or a higher one."""

    @property
    def area(self) -> float:
        """The average precision."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())

    def points(self) -> list[tuple[float, float]]:
        """(recall, precision) at some of the scores, evenly spread, up to that which finds all, for a figure."""
        count = int(np.searchsorted(self.recall, 1.0)) + 1
        some = np.unique(np.linspace(0, count - 1, min(POINTS, count)).round().astype(np.int64))
        return [(float(self.recall[i]), float(self.precision[i])) for i in some]


def curve(truth: Marks, scores: Floats) -> Curve | None:
    """The curve of one class: truth and scores (N,). None if no picture has its label."""
    positives = int(truth.sum(dtype=np.int64))
    if not positives:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(truth[order], dtype=np.int64)[last]
    return Curve(hits / positives, hits / (last + 1), hits, last + 1)


def average_precision(truth: Marks, scores: Floats) -> float | None:
    """The average precision of one class; None if no picture has its label."""
    found = curve(truth, scores)
    return None if found is None else found.area


def best_thresholds(truth: Marks, probabilities: Floats, usual: float = 0.5) -> tuple[float, ...]:
    """For each class the threshold with the highest F1, for truth and probabilities (N, classes).

    It is the middle between the lowest probability that is taken and the next lower one (or 0). Of thresholds with the
    same F1 it is the one nearest to `usual`, which a class without a picture keeps.
    """
    return tuple(_best_threshold(truth[:, k], probabilities[:, k], usual) for k in range(truth.shape[1]))


def _best_threshold(truth: Marks, probabilities: Floats, usual: float) -> float:
    found = curve(truth, probabilities)
    if found is None:
        return usual
    taken = np.sort(np.unique(probabilities))[::-1]
    lower = np.append(taken[1:], 0.0)
    middle = (taken + lower) / 2
    thresholds = np.where(middle > lower, middle, taken)  # two neighbouring numbers have no middle
    f1 = 2 * found.hits / (int(truth.sum(dtype=np.int64)) + found.lowest)
    best = np.flatnonzero(f1 == f1.max())
    return float(thresholds[best[np.abs(thresholds[best] - usual).argmin()]])


@dataclass(frozen=True)
class LabelScore:
    """One class: exact counts, and rates, which are None if their denominator is 0."""

    name: str
    support: int
    """Pictures with this label."""
    average_precision: float | None
    threshold: float
    found: int
    """Pictures with this label that got it."""
    given: int
    """Pictures that got this label."""

    @property
    def precision(self) -> float | None:
        return _rate(self.found, self.given)

    @property
    def recall(self) -> float | None:
        return _rate(self.found, self.support)

    @property
    def f1(self) -> float | None:
        return _rate(2 * self.found, self.support + self.given)

    def to_document(self) -> dict[str, Any]:
        """The figures as plain data."""
        figures = {"class": self.name, "pictures": self.support, "average_precision": self.average_precision}
        counts = {"threshold": self.threshold, "found": self.found, "given": self.given}
        return figures | counts | {"precision": self.precision, "recall": self.recall, "f1": self.f1}


def label_scores(
    truth: Marks, scores: Floats, decided: npt.NDArray[np.bool_], thresholds: Sequence[float], classes: Sequence[str]
) -> list[LabelScore]:
    """The scores of each class, in order, for truth, scores and decisions (N, classes)."""
    hits = (decided & (truth == 1)).sum(0)
    return [
        LabelScore(
            name=name,
            support=int(truth[:, k].sum(dtype=np.int64)),
            average_precision=average_precision(truth[:, k], scores[:, k]),
            threshold=thresholds[k],
            found=int(hits[k]),
            given=int(decided[:, k].sum()),
        )
        for k, name in enumerate(classes)
    ]


def micro(rows: Sequence[LabelScore]) -> LabelScore:
    """The counts of all classes together: its rates are the micro averages."""
    support, found, given = (sum(getattr(row, key) for row in rows) for key in ("support", "found", "given"))
    return LabelScore("all labels", support, None, 0.5, found, given)


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
