"""The one residual unit: y = relu( merge( shortcut(x), gate( branch(x) ) ) ), and its form c."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import relu

ConvFactory = Callable[[int, int, int, int], nn.Module]
"""Makes the spatial convolution of a transform from (w_in, w_out, kernel, stride)."""


@dataclass(frozen=True)
class Layer:
    """One convolution of a transform: kernel, channels in and out, stride, and whether it is the spatial one."""

    kernel: int
    w_in: int
    w_out: int
    stride: int = 1
    spatial: bool = False


def conv(layer: Layer, spatial: ConvFactory) -> nn.Module:
    """The convolution of a layer: no bias, padding that keeps the size at stride 1."""
    if layer.spatial:
        return spatial(layer.w_in, layer.w_out, layer.kernel, layer.stride)
    return nn.Conv2d(layer.w_in, layer.w_out, layer.kernel, layer.stride, padding=layer.kernel // 2, bias=False)


class ResidualUnit(nn.Module):
    """y = relu( merge( shortcut(x), gate( branch(x) ) ) ); the skip of every residual network is written here.

    A subclass registers the layers of its transform (`lay`) and runs them (`branch`). The merge receives the
    branch uncalled, so that a rule that closes a branch really does not compute it. `downsample` is the
    shortcut under torchvision's name; it returns None where a unit has no shortcut.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        spatial: ConvFactory,
        *,
        shortcut: nn.Module,
        gate: nn.Module | None,
        merge: nn.Module,
    ) -> None:
        super().__init__()
        self.lay(layers, spatial)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut
        self.gate = gate
        self.merge = merge

    def lay(self, layers: Sequence[Layer], spatial: ConvFactory) -> None:
        """Register the transform's layers, in the order in which they run."""
        raise TypeError(f"{type(self).__name__} has no transform")

    def branch(self, x: Tensor) -> Tensor:
        """T(x), without the activation that follows the sum."""
        raise TypeError(f"{type(self).__name__} has no transform")

    def gated(self, x: Tensor) -> Tensor:
        """T(x) after the gate, if there is one."""
        h = self.branch(x)
        return h if self.gate is None else self.gate(h)

    def forward(self, x: Tensor) -> Tensor:
        merged: Tensor = self.merge(self.downsample(x), lambda: self.gated(x))
        # A closed branch beside an identity returns x itself, which the backward pass of its maker still needs.
        y: Tensor = relu(merged) if merged is x else self.relu(merged)
        return y


class GroupedUnit(ResidualUnit):
    """Form c: conv1, bn1, relu, conv2 (grouped), bn2, relu, conv3, bn3; names as in torchvision."""

    depth: int

    def lay(self, layers: Sequence[Layer], spatial: ConvFactory) -> None:
        self.depth = len(layers)
        for i, layer in enumerate(layers, 1):
            self.add_module(f"conv{i}", conv(layer, spatial))
            self.add_module(f"bn{i}", nn.BatchNorm2d(layer.w_out))

    def branch(self, x: Tensor) -> Tensor:
        for i in range(1, self.depth + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            if i < self.depth:
                x = self.relu(x)
        return x
