"""The shortest time of each kind of work in a step, where every operation moves its own inputs and outputs once.

So an operation that is fused into another one can be faster than its floor, and so can a pass that stays in the cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.bench.floors import BYTES, layers_of
from cardinet.bench.peaks import Peaks
from cardinet.build.meta import NORMS, Watcher, on_meta
from cardinet.measure.counts import parameters

MAPS = {"norm": (2, 5), "activation": (2, 5), "add": (3, 4)}
"""The maps that an operation reads and writes, in inference, and in a step with its gradient.

Forward: input and output, of a sum two inputs. Backward of norm and activation: the gradient, the input or output, and
the new gradient. The gradients of a sum are its own; the one that reaches both branches is written once more.
"""

PASSES = 3
"""A step computes a convolution, the gradient of its input and that of its weight, with as many multiply-adds each."""

OPTIMIZER = 5
"""Numbers that SGD with momentum moves for each weight: weight, gradient and momentum, and two that it writes."""

CASTS = 12
"""Bytes that autocast moves for each weight: its bfloat16 copy, and the gradient back to float32 (4 + 2 each)."""


def kind_floors(
    network: nn.Module, shape: tuple[int, int, int, int], peaks: Peaks, precision: str, *, training: bool
) -> dict[str, float]:
    """The least milliseconds of each kind for pixels of a shape; a kind of which no floor is known is missing."""
    batch, channels, side, _ = shape
    found: Counter[str] = Counter()
    for place, layer in enumerate(one for one in layers_of(network, side, channels, batch) if one.kind != "add"):
        passes = (PASSES if place else PASSES - 1) if training else 1  # pictures need no gradient
        found[layer.kind] += 1000 * passes * layer.seconds(peaks, precision)  # type: ignore[assignment]
    size = 1000 * BYTES[precision] / peaks.copy
    for kind, values in map_values(network, shape).items():
        found[kind] += size * values * MAPS[kind][training]  # type: ignore[assignment]
    if training:
        weights = parameters(network)
        found["optimizer"] += 1000 * 4 * OPTIMIZER * weights / peaks.copy  # type: ignore[assignment]
        if precision == "bfloat16":
            found["cast or copy"] += 1000 * CASTS * weights / peaks.copy  # type: ignore[assignment]
    return {kind: float(time) for kind, time in found.items()}


def map_values(network: nn.Module, shape: tuple[int, int, int, int]) -> Counter[str]:
    """The numbers of the outputs of all norms, activations and sums in one pass, by kind."""
    found: Counter[str] = Counter()

    def saw(func: Any, args: Sequence[Any], out: Any) -> None:
        name = func.overloadpacket.__name__
        if name in NORMS:
            found["norm"] += out[0].numel()
        elif name in ("relu", "relu_", "hardtanh", "silu"):
            found["activation"] += out.numel()
        elif name in ("add", "add_") and out.dim() == 4 and isinstance(args[1], Tensor):
            found["add"] += out.numel()

    with torch.no_grad(), Watcher(saw):
        on_meta(network).float()(torch.empty(shape, device="meta"))
    return found
