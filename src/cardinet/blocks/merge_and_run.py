"""Merge-and-run: two streams whose shallow lines are averaged in every block (Zhao et al. 2016, arXiv 1611.07718)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from cardinet.blocks.classifier import ClassifierSpec
from cardinet.blocks.deeply_fused import FusedClassifier, FusedLines, Shape, fused_stem, groups
from cardinet.blocks.merge import Add
from cardinet.blocks.recomputation import Units

Streams = tuple[Tensor, Tensor]


class MergeAndRunBlock(nn.Module):
    """m = (shallow1(x1) + shallow2(x2)) / 2; relu( merge1( m, deep1(x1) ) ) and relu( merge2( m, deep2(x2) ) ).

    A block that `ends` the streams has one output, relu( merge1( m, deep1(x1) + deep2(x2) ) ). Without shallow lines
    there is no m, only the deep lines. `merge` makes the merge of each stream.
    """

    def __init__(self, make: FusedLines, shape: Shape, *, ends: bool, merge: Callable[[], nn.Module] = Add) -> None:
        super().__init__()
        self.shallow1, self.shallow2 = make.shallow_line(shape), make.shallow_line(shape)
        self.deep1, self.deep2 = make.deep_line(shape), make.deep_line(shape)
        self.merge1, self.merge2 = merge(), merge()
        self.ends = ends

    def forward(self, streams: Streams) -> Streams | Tensor:
        x1, x2 = streams
        if self.shallow1 is None or self.shallow2 is None:
            y1, y2 = self.deep1(x1), self.deep2(x2)
            return relu(y1 + y2) if self.ends else (relu(y1), relu(y2))
        merged = 0.5 * (self.shallow1(x1) + self.shallow2(x2))
        if self.ends:
            return relu(self.merge1(merged, lambda: self.deep1(x1) + self.deep2(x2)))
        return relu(self.merge1(merged, lambda: self.deep1(x1))), relu(self.merge2(merged, lambda: self.deep2(x2)))


class Fork(nn.Module):
    """Use x as both streams."""

    def forward(self, x: Tensor) -> Streams:
        return x, x


class Concatenate(nn.Module):
    """The channels of both streams, one after the other."""

    def forward(self, streams: Streams) -> Tensor:
        return torch.cat(streams, 1)


class MergeAndRunSpec(ClassifierSpec, Protocol):
    """The description of a merge-and-run network, with lines and merge as constructors."""

    depths: Sequence[int]
    widths: Sequence[int]
    layout: str
    lines: Callable[[], FusedLines]
    join: str
    merge: Callable[..., nn.Module]


class MergeAndRunNet(FusedClassifier):
    """Stem, fork, layer1, layer2, ... of `MergeAndRunBlock`, join where the streams are concatenated, avgpool, fc."""

    no_backbone = "A merge-and-run network passes two maps from block to block, so there is no single feature map."

    def __init__(self, spec: MergeAndRunSpec) -> None:
        make = spec.lines()
        w_in = spec.widths[0] // make.reduction
        shapes = list(groups(w_in, spec.depths, spec.widths))
        body = fused_stem(spec.in_channels, spec.layout, w_in) | {"fork": Fork()}
        place = itertools.count(1)
        for i, group in enumerate(shapes):
            merges = [partial(spec.merge, place=(next(place), sum(spec.depths))) for _ in group]
            layer = [
                MergeAndRunBlock(make, shape, ends=False, merge=merge)
                for shape, merge in zip(group, merges, strict=True)
            ]
            body[f"layer{i + 1}"] = Units(*layer)
        if spec.join == "concatenate":
            body["join"] = Concatenate()
        else:
            layer[-1].ends = True
        super().__init__(body, spec.widths[-1] * (2 if spec.join == "concatenate" else 1), spec.num_classes, taps=())
