"""Whether a batch of pictures fits into memory, before it is made."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from cardinet.base.bounds import bounded
from cardinet.data.preprocessing import Preprocessing
from cardinet.measure.available import available_memory, require_memory
from cardinet.measure.memory import FLOAT, Memory, evaluation_memory
from cardinet.rewrite.flow import on_meta

MAPS = 4
"""So many feature maps of a network's widest layer, at full size, are more than is ever alive in eval mode."""


def batch_memory(network: nn.Module, preprocessing: Preprocessing, batch: int) -> Memory:
    """What a network takes in eval mode for a batch, with the sorted probabilities in float64."""
    side, channels = preprocessing.crop, preprocessing.channels
    found = evaluation_memory(on_meta(network).float(), side, channels, batch)
    return replace(found, per_picture=found.per_picture + 32 * _outputs(network))


def require_batch(network: nn.Module, preprocessing: Preprocessing, batch: int, work: str) -> None:
    """Raise RequestError where a batch in eval mode needs more memory than the network's device still has."""
    first = next(network.parameters(), None)
    if first is None or not bounded():
        return
    device, side = str(first.device), preprocessing.crop
    available = available_memory(device)
    if available is None or roomy(network, preprocessing, batch) < available:
        return  # without the pass, which takes longer than some pictures
    size = f"batches of {batch:,} pictures of {side} x {side} pixels"
    require_memory(batch_memory(network, preprocessing, batch), batch, device, work, size)


def roomy(network: nn.Module, preprocessing: Preprocessing, batch: int) -> int:
    """Bytes that are more than a batch takes in eval mode, without a pass."""
    widest = max((m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)), default=1)
    return batch * (MAPS * FLOAT * widest * preprocessing.crop**2 + 32 * _outputs(network))


def _outputs(network: nn.Module) -> int:
    return max((m.out_features for m in network.modules() if isinstance(m, nn.Linear)), default=1)
