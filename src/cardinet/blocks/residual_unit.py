"""The residual unit: y = after( merge( shortcut(x), gate( branch( pre(x) ) ) ) ), and its form c."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import relu

from cardinet.blocks.convolution import convolution

ConvFactory = Callable[[int, int, int, int, bool], nn.Module]
"""A function that makes a spatial convolution from (w_in, w_out, kernel, stride, bias)."""


@dataclass(frozen=True)
class Layer:
    """One convolution of a transform: kernel, channels in and out, stride, bias, and whether it is the spatial one.

    `words` names the layers after it: "", "bn", "relu" or "bn relu". `dropout` is the rate of the dropout before it.
    """

    kernel: int
    w_in: int
    w_out: int
    stride: int = 1
    spatial: bool = False
    words: str = "bn relu"
    bias: bool = False
    dropout: float = 0.0


@dataclass(frozen=True)
class Surroundings:
    """The layers around the branch of a unit: `pre` before it, `after` after the sum; texts as `Layer.words`.

    `shares_pre` says that `pre` feeds the shortcut too. `copies` is the number of transforms whose sum is the branch.
    """

    pre: str = ""
    after: str = "relu"
    shares_pre: bool = False
    copies: int = 1


def conv(layer: Layer, spatial: ConvFactory) -> nn.Module:
    """The convolution of a layer, with padding that keeps the size at stride 1."""
    if layer.spatial:
        return spatial(layer.w_in, layer.w_out, layer.kernel, layer.stride, layer.bias)
    return convolution(layer.w_in, layer.w_out, layer.kernel, layer.stride, padding=layer.kernel // 2, bias=layer.bias)


class Chain(nn.Module):
    """A transform: conv1, bn1, relu, conv2, ... in the order of `pre` and of the layers' words.

    Norms are numbered in call order: bn1 follows conv1 in a unit without `pre`, and precedes it in a unit with `pre`.
    A first ReLU on the input makes a new tensor, because other layers may need the input. Later ones work in place.
    """

    norms = 0
    pre_names: tuple[str, ...] = ()
    after_names: tuple[str, ...] = ()

    def add_layers(self, layers: Sequence[Layer], spatial: ConvFactory, surroundings: Surroundings) -> None:
        """Register the transform's layers, in the order in which they run, and the norms around them."""
        self.pre_names = self._words(surroundings.pre, layers[0].w_in)
        self.steps: list[tuple[str, ...]] = []
        for i, layer in enumerate(layers, 1):
            names: tuple[str, ...] = ()
            if layer.dropout:
                self.dropout = nn.Dropout(layer.dropout)
                names = ("dropout",)
            self.add_module(f"conv{i}", conv(layer, spatial))
            self.steps.append((*names, f"conv{i}", *self._words(layer.words, layer.w_out)))
        self.after_names = self._words(surroundings.after, layers[-1].w_out)

    def _words(self, words: str, width: int) -> tuple[str, ...]:
        """Register the norms of `words`, and return the names of the children that the words stand for."""
        names = []
        for word in words.split():
            if word == "bn":
                self.norms += 1
                self.add_module(f"bn{self.norms}", nn.BatchNorm2d(width))
            names.append(f"bn{self.norms}" if word == "bn" else word)
        return tuple(names)

    def pre(self, x: Tensor) -> Tensor:
        """Apply the layers before the first convolution."""
        if self.pre_names == ("relu",):
            return relu(x)
        for name in self.pre_names:
            x = getattr(self, name)(x)
        return x

    def branch(self, x: Tensor) -> Tensor:
        """T(x), for an x after `pre`, without the layers after the sum."""
        for step in self.steps:
            for name in step:
                x = getattr(self, name)(x)
        return x


class ResidualUnit(Chain):
    """y = after( merge( shortcut(x), gate( branch( pre(x) ) ) ) ); all residual networks use this class for their skip.

    A subclass registers the layers of its transform (`add_layers`) and runs them (`branch`). The merge receives the
    branch uncalled, so that a closed branch is not computed. `pre` is part of the branch unless it feeds the shortcut
    too. `downsample` is the shortcut, named as in torchvision; if it returns None, the unit is only its transform.
    `carry` weighs shortcut and branch before they are merged.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        spatial: ConvFactory,
        surroundings: Surroundings = Surroundings(),
        *,
        shortcut: nn.Module,
        carry: nn.Module | None = None,
        gate: nn.Module | None = None,
        merge: nn.Module,
    ) -> None:
        super().__init__()
        self.shares_pre = surroundings.shares_pre
        self.after_names = tuple(surroundings.after.split())  # for an `add_layers` that adds no norms
        self.add_layers(layers, spatial, surroundings)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut
        self.carry = carry
        self.gate = gate
        self.merge = merge

    def gated(self, x: Tensor) -> Tensor:
        """T(x), after the gate if there is one."""
        h = self.branch(x)
        return h if self.gate is None else self.gate(h)

    def forward(self, x: Tensor) -> Tensor:
        if self.shares_pre:
            x = h = self.pre(x)

            def branch() -> Tensor:
                return self.gated(h)
        else:

            def branch() -> Tensor:
                return self.gated(self.pre(x))

        skip = self.downsample(x)
        if skip is None:
            y = branch()
            return self.after(y, y)
        if self.carry is not None:
            skip, branch = self.carry(skip, branch)
        return self.after(self.merge(skip, branch), x)

    def after(self, y: Tensor, kept: Tensor) -> Tensor:
        """Apply the layers after the sum y. `kept` is not overwritten."""
        # y may be the input (a closed branch beside an identity) or only the branch, not a new sum. Then the layer that
        # made it may need it in its backward pass.
        if y is kept and self.after_names == ("relu",):
            return relu(y)
        for name in self.after_names:
            y = getattr(self, name)(y)
        return y


class GroupedUnit(ResidualUnit):
    """Form c: conv1, bn1, relu, conv2 (grouped), bn2, relu, conv3, bn3; names as in torchvision."""

    def initialise(self, init: str) -> None:
        """paper: the last BN of the branch starts with gamma 0 if a convolution of the branch has `starts_closed`.

        Not if a ReLU follows that BN: it would pass no gradient at 0.
        """
        last = self.steps[-1][-1]
        asked = any(getattr(layer, "starts_closed", False) for layer in self.children())
        if init == "paper" and asked and last.startswith("bn"):
            nn.init.zeros_(self.get_parameter(f"{last}.weight"))
