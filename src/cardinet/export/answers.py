"""What logits answer: one class for a picture, or the labels at their thresholds. A proof compares these answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Answers:
    """The answer of a classifier with one label: the class with the largest logit, (N, 1)."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes

    @property
    def width(self) -> int:
        """The numbers of an answer."""
        return 1

    def of(self, logits: Array) -> Array:
        """The answers to pictures, int64 (N, width)."""
        return np.asarray(logits.argmax(1)[:, None], dtype=np.int64)

    def margin(self, logits: Array) -> Array:
        """How far each answer is from another one, in logits: (N,)."""
        top = np.sort(logits, 1)[:, -2:]
        return np.asarray(top[:, -1] - top[:, 0])

    def named(self, answer: Array) -> str:
        """An answer in words."""
        return self._name(int(answer[0]))

    def truth(self, labels: Array) -> Array:
        """The right answers to pictures with these labels."""
        return labels[:, None]

    def _name(self, index: int) -> str:
        return self.classes[index] if index < len(self.classes) else f"output {index}"


class LabelAnswers(Answers):
    """The answer of a classifier with several labels: 1 for each class at or above its threshold, (N, classes)."""

    def __init__(self, classes: Sequence[str], thresholds: Sequence[float]) -> None:
        super().__init__(classes)
        values = np.array(thresholds, dtype=np.float64)
        with np.errstate(divide="ignore"):
            self.least = np.log(values) - np.log1p(-values)  # a threshold of 0 or 1 is at infinity

    @property
    def width(self) -> int:
        return len(self.least)

    def of(self, logits: Array) -> Array:
        return np.asarray(logits[:, : self.width] >= self.least, dtype=np.int64)

    def margin(self, logits: Array) -> Array:
        return np.asarray(np.abs(logits[:, : self.width] - self.least).min(1))

    def named(self, answer: Array) -> str:
        return ", ".join(self._name(i) for i in np.flatnonzero(answer).tolist()) or "no label"

    def truth(self, labels: Array) -> Array:
        return labels.astype(np.int64)


def answers_of(classes: Sequence[str], thresholds: Sequence[float]) -> Answers:
    """The answers of a model with these classes and thresholds, which a model with one label does not have."""
    return LabelAnswers(classes, thresholds) if thresholds else Answers(classes)
