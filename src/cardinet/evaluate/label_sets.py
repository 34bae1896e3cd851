"""Exact evaluation where a picture may have several labels: the answers to every picture, counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cardinet.base.amounts import amount
from cardinet.base.errors import WorkError
from cardinet.data.source import Split
from cardinet.evaluate.label_intervals import bootstrap_interval
from cardinet.evaluate.label_scores import (
    Floats,
    LabelScore,
    Marks,
    average_precision,
    best_thresholds,
    curve,
    label_scores,
    micro,
)
from cardinet.evaluate.scores import mean
from cardinet.measure.available_memory import require_bytes
from cardinet.runs.ranks import Ranks

COPIES = 4
"""The copies of the log probabilities that are in memory at one time: logs, probabilities and results on the way."""


@dataclass(frozen=True, eq=False)
class LabelEvaluation:
    """The answers of a network to every picture of a split in which a picture may have several labels.

    `truth` uint8 and `logs`, log probabilities, float64, are (N, classes) in the order of the split. `thresholds` are
    the probabilities from which a picture has a label. `loss` is the mean binary cross-entropy over pictures and
    classes. `kept` is the number of most probable classes that a table of answers names.
    """

    split: str
    total: int
    truth: Marks
    logs: Floats
    thresholds: tuple[float, ...]
    kept: int

    @cached_property
    def probabilities(self) -> Floats:
        """The probability of each label, (N, classes)."""
        found: Floats = np.exp(self.logs)
        return found

    @property
    def decided(self) -> npt.NDArray[np.bool_]:
        """Whether a picture gets a label: its probability is at least the threshold, (N, classes)."""
        found: npt.NDArray[np.bool_] = self.probabilities >= np.array(self.thresholds)
        return found

    @property
    def count(self) -> int:
        return len(self.truth)

    @property
    def wrong(self) -> int:
        """The pictures with at least one wrong label (subset accuracy counts the others)."""
        return int((self.decided != (self.truth == 1)).any(1).sum())

    @property
    def wrong_labels(self) -> int:
        """The wrong decisions about labels; of all decisions they are the Hamming loss."""
        return int((self.decided != (self.truth == 1)).sum())

    @cached_property
    def average_precisions(self) -> tuple[float | None, ...]:
        """The average precision of each class; None for a class without a picture."""
        return tuple(average_precision(self.truth[:, k], self.logs[:, k]) for k in range(self.truth.shape[1]))

    @property
    def mean_average_precision(self) -> float:
        """The mean over the classes that have pictures."""
        found = mean(self.average_precisions)
        assert found is not None  # an evaluation without any label is refused
        return found

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The interval (95 %) of the mean average precision (`bootstrap_interval`); None if it would take too long."""
        return bootstrap_interval(self.truth, self.logs)

    @property
    def error(self) -> float:
        """1 - mean average precision: what the choice of the best weights makes small."""
        return 1 - self.mean_average_precision

    @cached_property
    def loss(self) -> float:
        rest = np.maximum(-np.expm1(self.logs), np.finfo(np.float64).tiny)
        return float(-np.where(self.truth == 1, self.logs, np.log(rest)).mean())

    def at(self, thresholds: Sequence[float]) -> Self:
        """The same answers, judged with other thresholds."""
        return replace(self, thresholds=tuple(thresholds))

    def fitted_thresholds(self) -> tuple[float, ...]:
        """The thresholds with the highest F1 of each class on these pictures."""
        return best_thresholds(self.truth, self.probabilities)

    def scores(self, classes: Sequence[str]) -> list[LabelScore]:
        """The scores of each class, in order."""
        return label_scores(self.truth, self.logs, self.decided, self.thresholds, classes)

    def summary(self) -> dict[str, Any]:
        """The figures as plain data."""
        rows = self.scores([""] * len(self.thresholds))
        return {
            "split": self.split,
            "count": self.count,
            "total": self.total,
            "labels": "several",
            "mean_average_precision": self.mean_average_precision,
            "error": self.error,
            "loss": self.loss,
            "wrong": self.wrong,
            "wrong_labels": self.wrong_labels,
            "macro_f1": mean([row.f1 for row in rows]),
            "micro_f1": micro(rows).f1,
            "unmeasured": sum(one is None for one in self.average_precisions),
        }

    def to_document(self, classes: Sequence[str]) -> dict[str, Any]:
        """The summary and the scores of the classes as plain data, without the answer to each picture.

        `interval` is that of the mean average precision. Rates whose denominator is 0 are None; `mean` is the mean over
        the other classes, `all` counts all labels.
        """
        rows, rates = self.scores(classes), ("precision", "recall", "f1")
        return {
            **self.summary(),
            "interval": None if self.interval is None else list(self.interval),
            "hamming_loss": self.wrong_labels / self.truth.size,
            "classes": [row.to_document() for row in rows],
            "mean": {key: mean([getattr(row, key) for row in rows]) for key in rates},
            "all": {key: getattr(micro(rows), key) for key in rates},
        }

    def curves(self) -> list[list[tuple[float, float]]]:
        """The precision-recall curve of each class as (recall, precision), empty for a class without a picture."""
        found = [curve(self.truth[:, k], self.logs[:, k]) for k in range(self.truth.shape[1])]
        return [[] if one is None else one.points() for one in found]


def require_answers(pictures: int, classes: int) -> None:
    """Raise RequestError if the memory does not suffice for an evaluation of several labels."""
    require_bytes(8 * COPIES * pictures * classes, "cpu", f"The answers to {amount(pictures, 'picture')}")


class LabelTally:
    """Collects the answers to the pictures of a split that may have several labels."""

    def __init__(self, split: Split, classes: int, top: int) -> None:
        """Raises RequestError if the memory does not suffice."""
        n = len(split)
        require_answers(n, classes)
        self.split, self.classes, self.kept = split, classes, min(top, classes)
        self.seen, self.logs, self.done = np.zeros(n, np.int64), np.zeros((n, classes)), 0

    def add(self, rows: npt.NDArray[np.int64], labels: Tensor, logs: Tensor) -> None:
        """Add the logarithms of the probabilities of the pictures at some rows, float64 (B, classes)."""
        self.seen[rows] += 1
        self.logs[rows] = logs.cpu().numpy()
        self.done += len(rows)

    def join(self, ranks: Ranks) -> None:
        """Add what the other processes collected. The rows of their pictures are zero here."""
        if not ranks.alone:
            for rows in (self.seen, self.logs):
                ranks.sum(torch.from_numpy(rows))  # it shares the memory

    def evaluation(self) -> LabelEvaluation:
        """The evaluation at a threshold of 0.5.

        Raises WorkError if a picture was not counted exactly once, and if no picture has a label.
        """
        split = self.split
        if not (self.seen == 1).all():
            raise WorkError(f"{int((self.seen != 1).sum())} pictures of {split.name} were not counted exactly once.")
        if not split.labels.any():
            raise WorkError(f"No picture of {split.name} has a label, so that no average precision exists.")
        return LabelEvaluation(
            split=split.name,
            total=split.total,
            truth=split.labels.astype(np.uint8, copy=False),
            logs=self.logs,
            thresholds=split.labelling.first_thresholds(self.classes),
            kept=self.kept,
        )
