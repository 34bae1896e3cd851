"""What a network computes for every picture of a split: log probabilities and features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.training_mode import eval_mode
from cardinet.data.batches import evaluation_batches
from cardinet.data.source import Split
from cardinet.measure.available_memory import require_bytes
from cardinet.runs.memory_checks import require_batch
from cardinet.runs.model_file import Model
from cardinet.runs.prediction import BATCH_SIZE, as_input, log_softmax

COPIES = 4
"""The copies of the log probabilities that are in memory at one time: logs, probabilities and results on the way."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """In the order of the split: `logs`, float64 (N, classes), `features`, float32 (N, D), `truth`, int64 (N,).

    `logs` are log probabilities; `features` are the inputs of the classifier `fc`.
    """

    logs: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int64]

    def of(self, rows: npt.NDArray[np.int64]) -> Outputs:
        """Those of some pictures."""
        return Outputs(self.logs[rows], self.features[rows], self.truth[rows])

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The answer to each picture, (N,); of equally probable classes the first."""
        answers: npt.NDArray[np.int64] = self.logs.argmax(1)
        return answers


@torch.inference_mode()
def outputs(
    model: Model,
    split: Split,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Outputs:
    """The log probabilities and the features of every picture of a split, in eval mode, on the model's device.

    Raises RequestError for a network that is not one of Cardinet and if the memory does not suffice, WorkError for a
    damaged picture.
    """
    network, classes, n = model.network, len(model.classes), len(split)
    if not isinstance(network, Classifier):
        raise RequestError(f"{type(network).__name__} is not a network of Cardinet, so its features are unknown.")
    require_batch(network, model.preprocessing, min(batch_size, n), "This question")
    require_bytes(
        n * (8 * COPIES * classes + 4 * network.head_hidden_size), "cpu", f"The outputs for {amount(n, 'picture')}"
    )
    logs, features = np.empty((n, classes)), np.empty((n, network.head_hidden_size), np.float32)
    device = next(network.parameters()).device
    batches = evaluation_batches(split, model.preprocessing, batch_size=batch_size, workers=workers, device=device)
    with eval_mode(network):
        for batch in batches:
            last = network.forward_features(as_input(network, batch.pixels))
            pooled = network.forward_head(last, pre_logits=True)
            features[batch.index] = pooled.float().cpu().numpy()
            logs[batch.index] = log_softmax(network.fc(pooled), classes).cpu().numpy()
            if progress is not None:
                progress(int(batch.index[-1]) + 1, n)
    return Outputs(logs, features, split.single_labels)
