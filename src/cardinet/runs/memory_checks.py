"""Check, before any work, that the memory is enough to pass pictures through networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from cardinet.base.amounts import amount
from cardinet.base.bounds import bounded
from cardinet.build.meta import on_meta
from cardinet.data.preprocessing import Preprocessing
from cardinet.measure.available_memory import available_memory, require_bytes, require_memory
from cardinet.measure.memory import Memory, evaluation_memory, network_bytes, precision_of

MAPS = 4
"""This many feature maps of the widest layer, at full size, exceed what a network ever holds in eval mode."""


def batch_memory(network: nn.Module, preprocessing: Preprocessing, batch: int) -> Memory:
    """The memory of a network in eval mode for a batch, with the sorted probabilities in float64."""
    side, channels = preprocessing.crop, preprocessing.channels
    found = evaluation_memory(on_meta(network).to(_computed_in(network)), side, channels, batch)
    return replace(found, per_picture=found.per_picture + 32 * _outputs(network))


def require_batch(network: nn.Module, preprocessing: Preprocessing, batch: int, work: str) -> None:
    """Raise RequestError if a batch in eval mode needs more memory than the network's device has left."""
    first = next(network.parameters(), None)
    if first is None or not bounded():
        return
    device, side = str(first.device), preprocessing.crop
    available = available_memory(device)
    if available is None or memory_bound(network, side, batch) < available:
        return  # the exact pass would take longer than some pictures
    size = f"batches of {amount(batch, 'picture')} of {side} x {side} pixels"
    require_memory(batch_memory(network, preprocessing, batch), batch, device, work, size)


def require_passes(networks: Sequence[nn.Module], side: int, batch: int, beside: int, work: str) -> None:
    """Raise RequestError if some work on the CPU needs more memory than is available.

    The work holds `beside` bytes, and passes one batch of square pictures of `side` pixels at a time through one of the
    networks, in eval mode. The networks are on the meta device, in the precision of their passes.
    """
    available = available_memory("cpu") if bounded() else None
    if available is None or beside + max(network_bytes(n) + memory_bound(n, side, batch) for n in networks) < available:
        return
    passes = (evaluation_memory(n, side, _channels(n), batch).of(batch) for n in networks)
    require_bytes(beside + max(passes), "cpu", work)


def require_proof(forms: Sequence[nn.Module], side: int, batch: int) -> None:
    """Raise RequestError if the proof of rewrites (`rewrite.proof`) needs more memory than is available.

    `forms` are the network and the result of each rewrite, on the meta device (`rewrite.steps.try_steps`).
    """
    if len(forms) == 1:  # there are no rewrites
        return
    exact = [on_meta(form).double() for form in forms]
    sizes = [network_bytes(network) for network in exact]
    kept = sum(sizes[1:]) // 2  # each form in float32, until the last is proven
    pair = max(before + 2 * after for before, after in pairwise(sizes))  # one form becomes the next
    require_passes(exact, side, batch, kept + pair, "The proof of these rewrites")


def memory_bound(network: nn.Module, side: int, batch: int) -> int:
    """An upper bound on the bytes of a batch in eval mode, without the parameters. It needs no pass."""
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    maps, precision = MAPS * max((m.out_channels for m in convolutions), default=1), _computed_in(network)
    if precision == torch.float64:  # a CPU then unfolds the input
        maps += max((m.weight[0].numel() for m in convolutions), default=0)
    return batch * (precision.itemsize * maps * side**2 + 32 * _outputs(network))


def _computed_in(network: nn.Module) -> torch.dtype:
    """The precision of a network's parameters, but float32 for half precision, as a CPU computes in float32."""
    return torch.promote_types(precision_of(network), torch.float32)


def _channels(network: nn.Module) -> int:
    spec: Any = network.spec
    channels: int = spec.in_channels
    return channels


def _outputs(network: nn.Module) -> int:
    return max((m.out_features for m in network.modules() if isinstance(m, nn.Linear)), default=1)
