"""How many labels a picture has: one class, or several (none too). Every room asks this object what follows from it.

The type of the labels says it: int64 (N,) holds one class for each picture, uint8 (N, classes) a 1 for each class that
is in a picture and a 0 for each other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Labels = npt.NDArray[np.integer[Any]]
"""The labels of pictures: classes, int64 (N,), or the classes that are in each picture, uint8 (N, classes)."""

Rows = npt.NDArray[np.int64]

Name = Literal["one", "several"]


class Labelling:
    """The number of labels that a picture has, and the questions of the rooms that depend on it."""

    NAME: ClassVar[Name]

    MIXED: ClassVar[str]
    """What is a right decision about a picture that is mixed of several, in words."""

    def counts(self, labels: Labels, classes: int) -> Rows:
        """The pictures of each class, (classes,)."""
        raise NotImplementedError

    def pairs(self, labels: Labels) -> tuple[Rows, Rows]:
        """Each label of each picture: the picture's row and the class."""
        raise NotImplementedError

    def wrong(self, labels: Labels, classes: int) -> Rows:
        """The places of the pictures whose labels are not among the classes."""
        raise NotImplementedError

    def known(self, labels: Labels) -> bool:
        """Whether the labels of all pictures are known."""
        raise NotImplementedError

    def renumbered(self, labels: Labels, places: Rows, classes: int) -> Labels:
        """The labels among `classes` other classes. `places` has the new number of each old class, or -1.

        A label without a new number becomes -1, or is lost where a picture has several.
        """
        raise NotImplementedError

    def held_out(self, labels: Labels, shares: Sequence[float], seed: int) -> list[Rows]:
        """The rows for each share and, last, the remaining rows, alike in their classes; rows stay in order."""
        raise NotImplementedError

    def folds(self, labels: Labels, count: int, seed: int) -> Rows:
        """The fold of each picture, (N,) from 0 to count - 1, alike in their classes."""
        raise NotImplementedError

    def words(self, label: Any, classes: Sequence[str]) -> str:
        """The label of one picture, a row of its labels, in words."""
        raise NotImplementedError

    def tensor(self, labels: Labels) -> torch.Tensor:
        """The labels for an objective: int64 (B,), or float32 (B, classes)."""
        raise NotImplementedError

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """The logarithms of the probabilities of logits (B, classes), float64 (B, classes)."""
        raise NotImplementedError

    def mistakes(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """How many decisions about a batch are wrong, a scalar int64. Labels are those of `tensor`, or
        probabilities.
        """
        raise NotImplementedError

    def decisions(self, classes: int) -> int:
        """The number of decisions about one picture."""
        raise NotImplementedError

    def first_thresholds(self, classes: int) -> tuple[float, ...]:
        """The probability of each class from which a picture has its label, before any is fitted; () without them."""
        raise NotImplementedError
