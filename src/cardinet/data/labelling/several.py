"""Several labels: each class is a question of its own, and a picture may have several classes, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cardinet.base.amounts import amount
from cardinet.data.labelling.labelling import Labelling, Labels, Rows
from cardinet.data.labelling.stratified import dealt

if TYPE_CHECKING:
    import torch

NO_LABEL = "no label"
"""What a picture without a label is called."""


class SeveralLabels(Labelling):
    """Multi-label classification: labels uint8 (N, classes), 1 for each class that is in a picture."""

    NAME = "several"
    MIXED = "a label as right if its share of the picture is at least a half"

    def counts(self, labels: Labels, classes: int) -> Rows:
        return np.asarray(labels.sum(0, dtype=np.int64))

    def pairs(self, labels: Labels) -> tuple[Rows, Rows]:
        rows, classes = np.nonzero(labels)
        return rows.astype(np.int64), classes.astype(np.int64)

    def wrong(self, labels: Labels, classes: int) -> Rows:
        return np.flatnonzero((labels > 1).any(1)).astype(np.int64)

    def known(self, labels: Labels) -> bool:
        return True

    def renumbered(self, labels: Labels, places: Rows, classes: int) -> Labels:
        found = np.zeros((len(labels), classes), np.uint8)
        kept = np.flatnonzero(places >= 0)
        found[:, places[kept]] = labels[:, kept]
        return found

    def held_out(self, labels: Labels, shares: Sequence[float], seed: int) -> list[Rows]:
        """By iterative stratification (`stratified.dealt`): each part has about its share of each class's pictures."""
        numbers = dealt(labels, [*shares, 1 - sum(shares)], seed)
        return [np.flatnonzero(numbers == part).astype(np.int64) for part in range(len(shares) + 1)]

    def folds(self, labels: Labels, count: int, seed: int) -> Rows:
        """By iterative stratification (`stratified.dealt`) into equal parts."""
        return dealt(labels, [1 / count] * count, seed)

    def words(self, label: Any, classes: Sequence[str]) -> str:
        return ", ".join(classes[i] for i in np.flatnonzero(label).tolist()) or NO_LABEL

    def tensor(self, labels: Labels) -> torch.Tensor:
        import torch

        return torch.from_numpy(labels).float()

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Each class is a question of its own: log sigmoid."""
        from torch.nn import functional as F

        return F.logsigmoid(logits.double())

    def mistakes(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The wrong decisions about labels at a probability of 0.5; a mixed picture has a label from a share of 0.5
        on.
        """
        return ((logits >= 0) != (labels >= 0.5)).sum()

    def decisions(self, classes: int) -> int:
        return classes

    def first_thresholds(self, classes: int) -> tuple[float, ...]:
        return (0.5,) * classes


def require_marks(pictures: int, classes: int) -> None:
    """Raise RequestError if the memory does not suffice for the labels of so many pictures."""
    from cardinet.measure.available_memory import require_bytes

    require_bytes(pictures * classes, "cpu", f"The marks of {classes:,} classes for {amount(pictures, 'picture')}")


def matrix(labels: Sequence[Iterable[int]], classes: int) -> Labels:
    """Lists of classes as labels, uint8 (N, classes). A number that is no class is left out.

    Raises RequestError if the memory does not suffice.
    """
    require_marks(len(labels), classes)
    found = np.zeros((len(labels), classes), np.uint8)
    for row, numbers in enumerate(labels):
        for number in numbers:
            if 0 <= number < classes:
                found[row, number] = 1
    return found
