"""Forms a and b of the aggregated transform: a bottleneck with separate branches (Xie et al. 2016, Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from cardinet.blocks.convolution import convolution
from cardinet.blocks.residual_unit import ConvFactory, Layer, ResidualUnit, Surroundings


class Branch(nn.Module):
    """conv1 1x1, bn1, relu, conv2 3x3, bn2, relu, and in form a conv3 1x1: one of the C transforms."""

    RECTIFIED: ClassVar[tuple[str, ...]] = ("bn1", "bn2")

    def __init__(self, reduce: Layer, middle: Layer, expand: Layer | None) -> None:
        super().__init__()
        self.conv1 = convolution(reduce.w_in, reduce.w_out, reduce.kernel, reduce.stride, bias=False)
        self.bn1 = nn.BatchNorm2d(reduce.w_out)
        self.conv2 = convolution(
            middle.w_in, middle.w_out, middle.kernel, middle.stride, padding=middle.kernel // 2, bias=False
        )
        self.bn2 = nn.BatchNorm2d(middle.w_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv3 = None if expand is None else convolution(expand.w_in, expand.w_out, 1, expand.stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return x if self.conv3 is None else self.conv3(x)


class Concatenated(nn.ModuleList):
    """concat( T_1(x), ..., T_C(x) ) along the channels; equal branches in form b, unequal ones in Inception."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


def branches(layers: Sequence[Layer], cardinality: int, *, expand: bool) -> nn.ModuleList:
    """C equal branches; each has 1/C of the inner width of a bottleneck's layers."""
    reduce, middle, last = layers
    inner = middle.w_out // cardinality
    return nn.ModuleList(
        Branch(
            Layer(reduce.kernel, reduce.w_in, inner, reduce.stride),
            Layer(middle.kernel, inner, inner, middle.stride),
            Layer(last.kernel, inner, last.w_out, last.stride) if expand else None,
        )
        for _ in range(cardinality)
    )


def _cardinality(spatial: ConvFactory) -> int:
    return int(spatial.keywords["cardinality"])  # type: ignore[attr-defined]


class ConcatenatedUnit(ResidualUnit):
    """Form b: C branches (1x1, BN, ReLU, 3x3, BN, ReLU), concatenated, conv3 1x1, bn3."""

    def add_layers(self, layers: Sequence[Layer], spatial: ConvFactory, surroundings: Surroundings) -> None:
        last = layers[-1]
        self.branches = Concatenated(branches(layers, _cardinality(spatial), expand=False))
        self.conv3 = convolution(last.w_in, last.w_out, 1, last.stride, bias=False)
        self.bn3 = nn.BatchNorm2d(last.w_out)

    def branch(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn3(self.conv3(self.branches(x)))
        return y


class SummedUnit(ResidualUnit):
    """Form a: C branches (1x1, BN, ReLU, 3x3, BN, ReLU, 1x1), summed, bn3 after the sum and before the shortcut's."""

    def add_layers(self, layers: Sequence[Layer], spatial: ConvFactory, surroundings: Surroundings) -> None:
        self.branches = branches(layers, _cardinality(spatial), expand=True)
        self.bn3 = nn.BatchNorm2d(layers[-1].w_out)

    def branch(self, x: Tensor) -> Tensor:
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        y: Tensor = self.bn3(total)
        return y
