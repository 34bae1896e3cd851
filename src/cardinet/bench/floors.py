"""The shortest time that a pass could take on this machine, from multiply-adds and bytes and the measured peaks.

Every layer takes at least the time of its multiply-adds at the peak of matrix products, and of its bytes at the speed
of a copy: its input, output and weights each move once. In inference everything but convolutions, linear layers and
sums is fused into them, and a sum reads its other operand. A network whose activations stay in the cache can be faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cardinet.bench.peaks import Peaks
from cardinet.build.meta import Watcher, on_meta

BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
KINDS = ("1x1", "grouped", "other convolution", "linear", "add")
"""The kinds of work of which a floor is known."""


@dataclass(frozen=True)
class Layer:
    """The multiply-adds of a layer for a batch, and the numbers that it reads and writes."""

    kind: str
    macs: int
    values: int

    def seconds(self, peaks: Peaks, precision: str) -> float:
        """The time that it takes at least."""
        moved = BYTES[precision] * self.values / peaks.copy
        rate = peaks.operations.get(precision)
        return max(moved, 2 * self.macs / rate) if rate else moved


def layers_of(network: nn.Module, side: int, channels: int, batch: int) -> list[Layer]:
    """The layers of a network that a fused pass on a batch consists of."""
    found: list[Layer] = []

    def saw(func: Any, args: Sequence[Any], out: Any) -> None:
        if (layer := _layer(func, args, out)) is not None:
            found.append(layer)

    empty = on_meta(network).float()
    with torch.no_grad(), Watcher(saw):
        empty(torch.empty(batch, channels, side, side, device="meta"))
    return found


def floor(layers: Sequence[Layer], peaks: Peaks, precision: str) -> float:
    """The least milliseconds of a pass."""
    return 1000 * sum(layer.seconds(peaks, precision) for layer in layers)


def _layer(func: Any, args: Sequence[Any], out: Any) -> Layer | None:
    aten = torch.ops.aten
    if func is aten.convolution.default:
        x, weight, groups = args[0], args[1], args[8]
        kind = "grouped" if groups > 1 else "1x1" if math.prod(weight.shape[2:]) == 1 else "other convolution"
        return Layer(kind, out.numel() * math.prod(weight.shape[1:]), x.numel() + weight.numel() + out.numel())
    if func is aten.addmm.default:
        x, weight = args[1], args[2]
        return Layer("linear", out.numel() * x.shape[1], x.numel() + weight.numel() + out.numel())
    if func in (aten.add.Tensor, aten.add_.Tensor) and isinstance(args[1], torch.Tensor) and args[1].dim() == 4:
        return Layer("add", 0, args[1].numel())
    return None
