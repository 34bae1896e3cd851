"""Deeply-fused nets: blocks that sum lines of different depth (Wang et al. 2016, Zhao et al. 2016)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap
from cardinet.blocks.convolution import convolution
from cardinet.blocks.merge import Add
from cardinet.blocks.recomputation import Units

EPS = 2e-5
"""The eps of every BN, as in the authors' MXNet code. Their momentum of 0.9 is 0.1 in torch."""


class Shape(NamedTuple):
    """The shape of a block: channels in and out, stride, and whether it is the first of the network."""

    w_in: int
    w_out: int
    stride: int
    first: bool


@dataclass(frozen=True)
class FusedLines:
    """Makes the lines of a block; see the part of the same name."""

    kernels: Sequence[int]
    reduction: int
    shallow: str

    def deep_line(self, shape: Shape) -> nn.Module:
        """conv1, bn1, relu1, conv2, bn2, ..., without a ReLU at the end."""
        last = len(self.kernels) - 1
        strided = next((i for i, kernel in enumerate(self.kernels) if kernel > 1), 0)
        widths = [shape.w_in, *[shape.w_out // self.reduction] * last, shape.w_out]
        line = nn.Sequential()
        for i, kernel in enumerate(self.kernels):
            _convolve(line, i + 1, kernel, widths[i], widths[i + 1], shape.stride if i == strided else 1)
            if i < last:
                line.add_module(f"relu{i + 1}", nn.ReLU(inplace=True))
        return line

    def shallow_line(self, shape: Shape) -> nn.Module | None:
        """The identity, conv1 and bn1, or None where the block has no shallow line."""
        keeps_shape = shape.w_in == shape.w_out and shape.stride == 1
        if self.shallow == "none" or (self.shallow == "identity" and not keeps_shape):
            return None
        if keeps_shape and not (self.shallow == "3x3-first" and shape.first):
            return nn.Identity()
        return _convolve(nn.Sequential(), 1, 1 if self.shallow == "1x1" else 3, *shape[:3])


def _convolve(line: nn.Sequential, i: int, kernel: int, w_in: int, w_out: int, stride: int) -> nn.Sequential:
    """The line with its i-th convolution and BN."""
    line.add_module(f"conv{i}", convolution(w_in, w_out, kernel, stride, padding=kernel // 2, bias=False))
    line.add_module(f"bn{i}", nn.BatchNorm2d(w_out))
    return line


def total(terms: Sequence[Tensor]) -> Tensor:
    """The sum of one or more maps, from left to right."""
    return reduce(torch.add, terms)


class FusedBlock(nn.Module):
    """y = relu( merge( shallow(x), deep1(x) + deep2(x) + ... ) ), the sum of the lines in `lines`."""

    def __init__(self, make: FusedLines, shape: Shape, branches: int, merge: nn.Module) -> None:
        super().__init__()
        shallow = make.shallow_line(shape)
        if shallow is not None:
            self.shallow = shallow
        for i in range(1, branches + 1):
            self.add_module(f"deep{i}", make.deep_line(shape))
        self.lines = tuple(name for name, _ in self.named_children())
        self.merge = merge

    def keep(self, line: str) -> None:
        """Drop every other line."""
        for name in self.lines:
            if name != line:
                delattr(self, name)
        self.lines = (line,)
        self.merge = Add()

    def deep(self, x: Tensor) -> Tensor:
        """The sum of the deep lines."""
        return total([getattr(self, name)(x) for name in self.lines if name != "shallow"])

    def forward(self, x: Tensor) -> Tensor:
        if "shallow" not in self.lines:
            return relu(self.deep(x))
        skip = self.shallow(x)
        return relu(skip if self.lines == ("shallow",) else self.merge(skip, lambda: self.deep(x)))


class FusedClassifier(Classifier):
    """Base of the deeply-fused networks, with the BN and the initial weights of the authors' code.

    The code's uniform Xavier weights of `fc` are torch's default.
    """

    fans = {"paper": "fan_in"}

    def __init__(self, body: Mapping[str, nn.Module], channels: int, num_classes: int, taps: Sequence[Tap]) -> None:
        super().__init__(body, {"avgpool": nn.AdaptiveAvgPool2d(1), "fc": nn.Linear(channels, num_classes)}, taps)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = EPS


def fused_stem(in_channels: int, layout: str, width: int) -> dict[str, nn.Module]:
    """cifar: conv1 3x3, bn1, relu. imagenet: conv1 7x7 /2 alone, maxpool 3x3 /2."""
    if layout == "cifar":
        conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        return {"conv1": conv, "bn1": nn.BatchNorm2d(width), "relu": nn.ReLU(inplace=True)}
    conv = nn.Conv2d(in_channels, width, 7, 2, padding=3, bias=False)
    return {"conv1": conv, "maxpool": nn.MaxPool2d(3, 2, padding=1)}


def groups(w_in: int, depths: Sequence[int], widths: Sequence[int]) -> Iterator[list[Shape]]:
    """The shapes of the blocks of each group; the first block of every group after group 1 has stride 2."""
    for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        first = Shape(w_in, width, stride=1 if i == 0 else 2, first=i == 0)
        yield [first, *[Shape(width, width, 1, first=False)] * (depth - 1)]
        w_in = width


class DeeplyFusedSpec(ClassifierSpec, Protocol):
    """The description of a deeply-fused network, with lines and merge as constructors."""

    depths: Sequence[int]
    widths: Sequence[int]
    layout: str
    lines: Callable[[], FusedLines]
    branches: int
    path: Sequence[str]
    merge: Callable[..., nn.Module]


class DeeplyFusedNet(FusedClassifier):
    """Stem, layer1, layer2, ... of `FusedBlock`, avgpool, fc."""

    def __init__(self, spec: DeeplyFusedSpec) -> None:
        make = spec.lines()
        w_in = spec.widths[0] // make.reduction
        body = fused_stem(spec.in_channels, spec.layout, w_in)
        stride = 1 if spec.layout == "cifar" else 4
        taps = [Tap("stem", list(body)[-1], w_in, stride)]
        place = itertools.count(1)
        for i, group in enumerate(groups(w_in, spec.depths, spec.widths)):
            merges = [spec.merge(place=(next(place), sum(spec.depths))) for _ in group]
            pairs = zip(group, merges, strict=True)
            blocks = [FusedBlock(make, shape, spec.branches, merge) for shape, merge in pairs]
            body[f"layer{i + 1}"] = Units(*blocks)
            taps.append(Tap(f"layer{i + 1}", f"layer{i + 1}", spec.widths[i], stride * 2**i))
        super().__init__(body, spec.widths[-1], spec.num_classes, taps)
        self.keep(spec.path)

    def keep(self, path: Sequence[str]) -> None:
        """Drop all lines that are not on a path. A path names one line for every block; an empty one drops nothing."""
        if path:
            blocks = [module for module in self.modules() if isinstance(module, FusedBlock)]
            for block, line in zip(blocks, path, strict=True):
                block.keep(line)

    def base(self, path: Sequence[str]) -> Self:
        """The base network along a path; it shares its Parameters with this network (authors' network/ensemble.py).

        So training one base network changes the weights of all. Its mode and its BN statistics are its own; they start
        as copies. Raises RequestError for an unknown path, and if this network is a base network itself.
        """
        if self.spec.path:
            raise RequestError("This is a base network already; call base() on the fused network.")
        spec = self.spec.but(path=tuple(path), merge="Add()")  # one line in a block: nothing to join
        base = copy.deepcopy(self, {id(p): p for p in self.parameters()})
        base.keep(spec.path)
        base.spec = spec
        return base
