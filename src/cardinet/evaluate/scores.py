"""The scores of each class from a confusion matrix, and the most confused pairs of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Confusion = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """One class: exact counts, and rates, which are None if their denominator is 0."""

    name: str
    support: int
    """Pictures of this class."""
    missed: int
    """The number of these that got another class."""
    precision: float | None
    recall: float | None
    f1: float | None
    taken_for: str
    """The class for which its pictures are most often taken, or ""."""
    taken: int
    """The number of these pictures."""

    @property
    def miss_rate(self) -> float:
        return self.missed / self.support if self.support else 0.0

    def to_document(self) -> dict[str, Any]:
        """The figures as plain data."""
        figures = {"class": self.name, "pictures": self.support, "missed": self.missed}
        return figures | {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True)
class Pair:
    """`count` pictures of `truth` were taken for `predicted`: `share` of the pictures of that class."""

    truth: str
    predicted: str
    count: int
    share: float


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def scores(confusion: Confusion, classes: Sequence[str]) -> list[Score]:
    """The scores of each class, in the order of the classes. Rows are the truth, columns the prediction."""
    right, support, named = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    mistakes = confusion - np.diag(right)
    rows = []
    for k, name in enumerate(classes):
        hit, n, m = int(right[k]), int(support[k]), int(named[k])
        other = int(mistakes[k].argmax()) if len(classes) > 1 else 0
        taken = int(mistakes[k, other])
        rates = (_rate(hit, m), _rate(hit, n), _rate(2 * hit, n + m))
        rows.append(Score(name, n, n - hit, *rates, classes[other] if taken else "", taken))
    return rows


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that exist: the macro average."""
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def ranked(rows: Sequence[Score]) -> list[Score]:
    """The hardest class first, by F1; classes without pictures and without predictions are left out."""
    return sorted((r for r in rows if r.f1 is not None), key=lambda r: (r.f1 or 0.0, -r.missed))


def shares(confusion: Confusion) -> npt.NDArray[np.float64]:
    """Each row divided by its sum; a row without pictures stays 0."""
    share: npt.NDArray[np.float64] = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    return share


def pairs(confusion: Confusion, classes: Sequence[str], most: int = 20) -> list[Pair]:
    """The most frequent mistakes, the most frequent first; ties by share, then by class order."""
    mistakes = confusion - np.diag(np.diag(confusion))
    share = shares(confusion)
    found = sorted(((-int(mistakes[i, j]), -float(share[i, j]), int(i), int(j)) for i, j in np.argwhere(mistakes)))
    return [Pair(classes[i], classes[j], -n, -s) for n, s, i, j in found[:most]]
