"""Exact evaluation: every picture of a split is counted once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.errors import WorkError
from cardinet.blocks.merge import stochastic_inference
from cardinet.data.batches import evaluation_batches
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split
from cardinet.evaluate.ten_crop import CROPS, ten_crop_batches


@dataclass(frozen=True)
class Evaluation:
    """What a network says of each picture of a split, and the exact counts from it.

    `confusion[t, p]` counts the pictures of class t that were taken for p; `loss` is the mean cross-entropy
    without label smoothing; the arrays are in the order of the split.
    """

    split: str
    total: int
    loss: float
    confusion: npt.NDArray[np.int64]
    top5_wrong: int | None
    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    confidence_of_truth: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def wrong(self) -> int:
        return self.count - int(np.trace(self.confusion))

    @property
    def error(self) -> float:
        return self.wrong / self.count

    def summary(self) -> dict[str, Any]:
        """The figures as plain data; `error` is a share."""
        figures = {"split": self.split, "count": self.count, "total": self.total, "wrong": self.wrong}
        figures |= {"error": self.error, "loss": self.loss}
        if self.top5_wrong is not None:
            figures |= {"top5_wrong": self.top5_wrong, "top5_error": self.top5_wrong / self.count}
        return figures


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    split: Split,
    preprocessing: Preprocessing,
    classes: int,
    *,
    crops: int = 1,
    passes: int = 1,
    batch_size: int = 128,
    workers: int = 0,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a network in eval mode and float32 on every picture of a split, once.

    `classes` is the number of classes of the source. With 10 `crops` the probabilities of a picture's ten crops
    are averaged (and the loss is of the average); with several `passes` so are those of passes in which the rules
    that draw in training draw again, from a seed of their own (Swapout's stochastic inference). Raises WorkError
    when a picture cannot be decoded or was not counted exactly once.
    """
    was_training = network.training
    network.eval()
    n = len(split)
    seen = np.zeros(n, dtype=np.int64)
    predicted, confidence, of_truth = np.zeros(n, np.int64), np.zeros(n), np.zeros(n)
    loss, top5_right, done = 0.0, 0, 0
    if crops == CROPS:
        batches = ten_crop_batches(split, preprocessing, batch_size=max(1, batch_size // CROPS), device=device)
    else:
        batches = evaluation_batches(split, preprocessing, batch_size=batch_size, workers=workers, device=device)
    for batch in batches:
        logs = _log_probabilities(network, batch.pixels, crops, passes, done)
        probabilities = logs.exp()
        best, labels = probabilities.max(1), batch.labels
        seen[batch.index] += 1
        predicted[batch.index] = best.indices.cpu().numpy()
        confidence[batch.index] = best.values.cpu().numpy()
        of_truth[batch.index] = probabilities.gather(1, labels[:, None])[:, 0].cpu().numpy()
        loss += F.nll_loss(logs, labels, reduction="sum").item()
        if classes > 5:
            top5_right += int((logs.topk(5).indices == labels[:, None]).any(1).sum())
        done += len(batch.index)
        if progress is not None:
            progress(done, n)
    network.train(was_training)
    if not (seen == 1).all():
        raise WorkError(f"{int((seen != 1).sum())} pictures of {split.name} were not counted exactly once.")
    pairs = split.labels * classes + predicted
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    top5_wrong = n - top5_right if classes > 5 else None
    return Evaluation(
        split.name, split.total, loss / n, confusion, top5_wrong, split.labels, predicted, confidence, of_truth
    )


def _log_probabilities(network: nn.Module, pixels: Tensor, crops: int, passes: int, first: int) -> Tensor:
    """(pictures, classes) in float64: the mean over a picture's crops and the passes, drawn from the seed `first`."""
    if passes > 1:
        with torch.random.fork_rng():
            torch.manual_seed(first)
            logs = stochastic_inference(network, pixels, passes).log()
    else:
        logs = network(pixels).double().log_softmax(1)
    if crops == CROPS:
        logs = logs.view(-1, CROPS, logs.shape[1]).logsumexp(1) - math.log(CROPS)
    return logs
