"""Exact evaluation: every picture of a split is counted once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.errors import WorkError
from cardinet.blocks.merge import stochastic_inference
from cardinet.blocks.training_mode import eval_mode
from cardinet.data.labelling import Labelling, Name
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split
from cardinet.evaluate.evaluation_settings import PLAIN, EvaluationSettings
from cardinet.evaluate.label_sets import LabelEvaluation, LabelTally
from cardinet.evaluate.scores import mean, pairs, scores
from cardinet.evaluate.views import VIEWS
from cardinet.runs.prediction import as_input, log_probabilities, top_classes
from cardinet.runs.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Evaluation:
    """The answers of a network to every picture of a split, and the exact counts.

    `confusion[t, p]` counts the pictures of class t that were taken for p. `loss` is the mean cross-entropy
    without label smoothing. The arrays are in the order of the split.
    """

    split: str
    total: int
    loss: float
    confusion: npt.NDArray[np.int64]
    top5_wrong: int | None
    truth: npt.NDArray[np.int64]
    top: npt.NDArray[np.int64]
    """The most probable classes of each picture, (N, K), the first one first."""
    top_probabilities: npt.NDArray[np.float64]
    """Their probabilities, (N, K)."""
    confidence_of_truth: npt.NDArray[np.float64]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The answer to each picture, (N,)."""
        return self.top[:, 0]

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """The probability of the answer, (N,)."""
        return self.top_probabilities[:, 0]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def wrong(self) -> int:
        return self.count - int(np.trace(self.confusion))

    @property
    def error(self) -> float:
        return self.wrong / self.count

    def at(self, thresholds: Sequence[float]) -> Self:
        """The same answers: one label for each picture has no thresholds."""
        return self

    def fitted_thresholds(self) -> tuple[float, ...]:
        """None: one label for each picture has no thresholds."""
        return ()

    def summary(self) -> dict[str, Any]:
        """The figures as plain data; `error` is a share."""
        figures = {"split": self.split, "count": self.count, "total": self.total, "wrong": self.wrong}
        figures |= {"error": self.error, "loss": self.loss}
        if self.top5_wrong is not None:
            figures |= {"top5_wrong": self.top5_wrong, "top5_error": self.top5_wrong / self.count}
        return figures

    def to_document(self, classes: Sequence[str]) -> dict[str, Any]:
        """The summary, the classes and the confusion matrix as plain data, without the answer to each picture.

        Rates whose denominator is 0 are None; `mean` is the mean over the other classes.
        """
        rows = scores(self.confusion, classes)
        return {
            **self.summary(),
            "classes": [row.to_document() for row in rows],
            "mean": {key: mean([getattr(row, key) for row in rows]) for key in ("precision", "recall", "f1")},
            "confusions": [asdict(pair) for pair in pairs(self.confusion, classes)],
            "confusion": self.confusion.tolist(),
        }


Result = Evaluation | LabelEvaluation
"""The evaluation of a split, by the number of labels of its pictures."""


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    split: Split,
    preprocessing: Preprocessing,
    classes: int,
    how: EvaluationSettings = PLAIN,
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> Any:
    """Evaluate a network on every picture of a split, once, in eval mode and in the precision of its parameters.

    It is an `Evaluation`, or a `LabelEvaluation` at a threshold of 0.5 if the split's pictures may have several labels.
    `classes` is the number of classes of the source. `progress(done, total)` is called after each batch. Several
    processes (`ranks`) divide the pictures, and each of them gets the whole evaluation. Raises WorkError if a picture
    cannot be decoded or was not counted exactly once.
    """
    tally = TALLIES[split.labelling.NAME](split, classes, how.top)
    view, part = VIEWS[how.crops], ranks.share(len(split))
    own = split if ranks.alone else split.chosen(np.arange(len(split))[part])
    with eval_mode(network), ranks.together():
        shown = view.network(network, preprocessing).eval()
        for batch in view.batches(own, preprocessing, how, device):
            pixels = as_input(network, batch.pixels)
            logs = view.combined(_averaged(shown, pixels, classes, how.passes, tally.done, split.labelling))
            tally.add(part.start + batch.index, batch.labels, logs)
            if progress is not None:
                progress(tally.done, len(own))
    tally.join(ranks)
    return tally.evaluation()


class _Tally:
    """Collects the answers to the pictures of a split."""

    def __init__(self, split: Split, classes: int, top: int) -> None:
        n, kept = len(split), min(top, classes)
        self.split, self.classes = split, classes
        self.seen, self.of_truth = np.zeros(n, np.int64), np.zeros(n)
        self.top, self.chances = np.zeros((n, kept), np.int64), np.zeros((n, kept))
        self.loss, self.top5_right, self.done = 0.0, 0, 0

    def add(self, rows: npt.NDArray[np.int64], labels: Tensor, logs: Tensor) -> None:
        """Add the logarithms of the probabilities of the pictures at some rows, float64 (B, classes)."""
        kept = self.top.shape[1]
        order, probabilities = top_classes(logs, max(kept, 5))
        self.seen[rows] += 1
        self.top[rows], self.chances[rows] = order[:, :kept].numpy(), probabilities[:, :kept].numpy()
        self.of_truth[rows] = logs.gather(1, labels[:, None])[:, 0].exp().cpu().numpy()
        self.loss += F.nll_loss(logs, labels, reduction="sum").item()
        self.top5_right += int((order[:, :5] == labels[:, None].cpu()).any(1).sum())
        self.done += len(rows)

    def join(self, ranks: Ranks) -> None:
        """Add what the other processes collected. The rows of their pictures are zero here."""
        if ranks.alone:
            return
        for rows in (self.seen, self.top, self.chances, self.of_truth):
            ranks.sum(torch.from_numpy(rows))  # it shares the memory
        self.loss, right = ranks.sum(torch.tensor([self.loss, self.top5_right], dtype=torch.float64)).tolist()
        self.top5_right = round(right)

    def evaluation(self) -> Evaluation:
        """The evaluation. Raises WorkError if a picture was not counted exactly once."""
        split, classes, n = self.split, self.classes, len(self.split)
        if not (self.seen == 1).all():
            raise WorkError(f"{int((self.seen != 1).sum())} pictures of {split.name} were not counted exactly once.")
        confusion = np.bincount(split.labels * classes + self.top[:, 0], minlength=classes * classes)
        return Evaluation(
            split=split.name,
            total=split.total,
            loss=self.loss / n,
            confusion=confusion.reshape(classes, classes),
            top5_wrong=n - self.top5_right if classes > 5 else None,
            truth=split.single_labels,
            top=self.top,
            top_probabilities=self.chances,
            confidence_of_truth=self.of_truth,
        )


TALLIES: Mapping[Name, type[_Tally] | type[LabelTally]] = {"one": _Tally, "several": LabelTally}
"""What collects the answers, by the number of labels of a picture."""


def _averaged(network: nn.Module, pixels: Tensor, classes: int, passes: int, seed: int, labelling: Labelling) -> Tensor:
    """Logarithms of mean probabilities over passes, float64 (inputs, classes)."""
    if passes == 1:
        return log_probabilities(network, pixels, classes, labelling)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return stochastic_inference(network, pixels, passes).log()
