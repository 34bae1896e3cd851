"""One label: each picture is of one class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cardinet.base.randomness import permutation
from cardinet.data.labelling.labelling import Labelling, Labels, Rows

if TYPE_CHECKING:
    import torch

NO_CLASS = -1
"""The label of a picture whose class is not known."""

_FOLD_STREAM = 2_000_003  # differs from the class numbers, which are the streams of the splits


class OneLabel(Labelling):
    """Classification: labels int64 (N,), the class of each picture."""

    NAME = "one"
    MIXED = "an answer as right if it is the class with the largest share of the picture"

    def counts(self, labels: Labels, classes: int) -> Rows:
        among = labels[(labels >= 0) & (labels < classes)]
        return np.bincount(among, minlength=classes).astype(np.int64)

    def pairs(self, labels: Labels) -> tuple[Rows, Rows]:
        return np.arange(len(labels)), labels.astype(np.int64, copy=False)

    def wrong(self, labels: Labels, classes: int) -> Rows:
        return np.flatnonzero((labels < 0) | (labels >= classes)).astype(np.int64)

    def known(self, labels: Labels) -> bool:
        return not (labels == NO_CLASS).any()

    def renumbered(self, labels: Labels, places: Rows, classes: int) -> Labels:
        return places[labels]

    def held_out(self, labels: Labels, shares: Sequence[float], seed: int) -> list[Rows]:
        """Each class is divided in the same way: of n pictures a share s takes n * s, rounded to the nearest."""
        taken: list[list[Rows]] = [[] for _ in (*shares, None)]
        for number in np.unique(labels):
            rows = np.flatnonzero(labels == number)
            drawn = rows[permutation(seed, int(number), len(rows))]
            start = 0
            for place, share in enumerate(shares):
                stop = min(start + math.floor(share * len(rows) + 0.5), len(rows) - 1)
                taken[place].append(drawn[start:stop])
                start = max(start, stop)
            taken[-1].append(drawn[start:])
        return [np.sort(np.concatenate([*pieces, np.empty(0, np.int64)])).astype(np.int64) for pieces in taken]

    def folds(self, labels: Labels, count: int, seed: int) -> Rows:
        """The pictures of each class are dealt in turn, in an order by seed, and each class goes on where the one
        before has ended: two folds differ by at most one picture of a class, and by at most one picture in all.
        """
        numbers = np.empty(len(labels), dtype=np.int64)
        dealt = 0
        for number in np.unique(labels):
            rows = np.flatnonzero(labels == number)
            order = rows[permutation(seed, _FOLD_STREAM + int(number), len(rows))]
            numbers[order] = (dealt + np.arange(len(rows))) % count
            dealt += len(rows)
        return numbers

    def words(self, label: Any, classes: Sequence[str]) -> str:
        return classes[int(label)]

    def tensor(self, labels: Labels) -> torch.Tensor:
        import torch

        return torch.from_numpy(labels)

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """The classes exclude each other: log softmax."""
        return logits.double().log_softmax(1)

    def mistakes(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The pictures whose most probable class is not theirs; a mixed picture is of the class with the largest
        share.
        """
        return (logits.argmax(1) != (labels if labels.ndim == 1 else labels.argmax(1))).sum()

    def decisions(self, classes: int) -> int:
        return 1

    def first_thresholds(self, classes: int) -> tuple[float, ...]:
        return ()
