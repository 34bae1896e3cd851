"""The views of a picture whose answers an evaluation averages: its central crop, ten crops, or the whole picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from cardinet.data.batches import Batch, evaluation_batches
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split
from cardinet.evaluate.dense import slide, whole_pictures
from cardinet.evaluate.evaluation_settings import Crops, EvaluationSettings
from cardinet.evaluate.ten_crop import CROPS, ten_crop_batches

Batches = Callable[[Split, Preprocessing, EvaluationSettings, str], Iterator[Batch]]


@dataclass(frozen=True)
class View:
    """How pictures are shown to a network.

    `batches` gives every picture once, on a device. `network` is what is run instead of the network. `combined` makes
    the log probabilities of pictures from those of all their views.
    """

    batches: Batches
    network: Callable[[nn.Module, Preprocessing], nn.Module] = lambda network, preprocessing: network
    combined: Callable[[Tensor], Tensor] = lambda logs: logs


def _centre(split: Split, preprocessing: Preprocessing, how: EvaluationSettings, device: str) -> Iterator[Batch]:
    return evaluation_batches(split, preprocessing, batch_size=how.batch_size, workers=how.workers, device=device)


def _ten(split: Split, preprocessing: Preprocessing, how: EvaluationSettings, device: str) -> Iterator[Batch]:
    return ten_crop_batches(split, preprocessing, batch_size=max(1, how.batch_size // CROPS), device=device)


def _whole(split: Split, preprocessing: Preprocessing, how: EvaluationSettings, device: str) -> Iterator[Batch]:
    return whole_pictures(split, preprocessing, batch_size=how.batch_size, device=device)


def _mean_of_ten(logs: Tensor) -> Tensor:
    return logs.view(-1, CROPS, logs.shape[1]).logsumexp(1) - math.log(CROPS)


VIEWS: Mapping[Crops, View] = {
    1: View(_centre),
    10: View(_ten, combined=_mean_of_ten),
    "dense": View(_whole, network=slide),
}
"""The views by the setting `crops`."""
