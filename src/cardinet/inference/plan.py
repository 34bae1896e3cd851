"""Which kernel runs each step, with its packed weights, and the sizes of the maps for pictures of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.inference.packing import (
    PANEL,
    any_order,
    fits_lanes,
    lanes_of,
    lanewise,
    output_order,
    padded,
    panels,
    up,
)
from cardinet.inference.steps import Step, Steps

FEW = 16
"""Inputs below which bfloat16 gathers the inputs of an output first."""


@dataclass
class Map:
    """The size of a value, and how it lies in memory."""

    channels: int
    stored: int
    height: int
    width: int
    halo: int = 0
    size: int = 4

    @property
    def bytes(self) -> int:
        return self.stored * (self.height + 2 * self.halo) * (self.width + 2 * self.halo) * self.size

    @property
    def fields(self) -> tuple[int, ...]:
        return (self.channels, self.stored, self.height, self.width, self.halo)


@dataclass
class Work:
    """A step, without its own weight and bias, with the kernel that runs it. `weights` and `bias` are packed."""

    step: Step
    kernel: str
    weights: Tensor | None = None
    bias: Tensor | None = None
    option: int = 0
    wide: bool = False

    def __post_init__(self) -> None:
        self.step = replace(self.step, weight=None, bias=None)  # one copy of the weights is enough

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.step.reads,) if self.step.other is None else (self.step.reads, self.step.other)


def works_of(steps: Steps, dtype: torch.dtype, vectors: bool) -> list[Work]:
    """The kernels for the steps, with packed weights. `vectors`: the processor has AVX-512."""
    made: list[Work] = []
    fresh = max(step.makes for step in steps.steps) + 1
    for step in steps.steps:
        if step.kind != "convolution":
            made.append(_plain(step))
            continue
        assert step.weight is not None
        few = step.reads == 0 and step.weight.shape[1] < FEW and dtype == torch.bfloat16
        if few and step.groups == 1 and step.dilation == (1, 1) and not step.whole:
            inner = step.weight[0].numel()
            made.append(
                Work(replace(step, kind="windows", makes=fresh, channels=inner, relu=False, other=None), "windows")
            )
            weight = step.weight.permute(0, 2, 3, 1).reshape(step.channels, inner, 1, 1)
            one: dict[str, Any] = {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0)}
            step = replace(step, reads=fresh, weight=weight, **one)
            fresh += 1
        made.append(_convolution(step, dtype, vectors))
    last = made[-1]
    if last.kernel != "dense" or last.step.makes != steps.output:
        raise RequestError("Cardinet's own kernels run networks that end in a linear layer; this one does not.")
    last.wide = True
    return made


def _plain(step: Step) -> Work:
    weight = None if step.weight is None else padded(step.weight, step.channels)
    bias = None if step.weight is None else padded(step.bias, step.channels)
    return Work(step, step.kind, weight, bias, step.before if step.kind == "pick" else int(step.counts_padding))


def _convolution(step: Step, dtype: torch.dtype, vectors: bool) -> Work:
    weight, groups = step.weight, step.groups
    assert weight is not None
    out, inner = weight.shape[0] // groups, weight.shape[1]
    square = step.stride in ((1, 1), (2, 2)) and step.dilation == (1, 1)
    if vectors and square and step.other is None and fits_lanes(weight, groups, dtype):
        order = output_order(step.channels, dtype)
        bias = padded(step.bias, step.channels)
        bias = torch.cat([bias, torch.zeros(PANEL)])[order]
        return Work(step, "lanewise", lanewise(weight, groups, dtype), bias, lanes_of(inner, dtype)[0])
    if groups == 1 or (out % 16 == 0 and inner * dtype.itemsize % 4 == 0):
        return Work(step, "dense", panels(weight, groups, dtype), padded(step.bias, step.channels, groups))
    return Work(step, "any", any_order(weight, dtype), padded(step.bias, step.channels))


def maps_of(works: Sequence[Work], shape: tuple[int, ...], dtype: torch.dtype) -> dict[int, Map]:
    """The map of each value for pictures of a shape. Raises RequestError for pictures that are too small."""
    _, channels, height, width = shape
    size = dtype.itemsize
    block = 64 // size
    readers = [work.kernel for work in works if 0 in work.reads]
    fits = ("any", "windows", "dense") if size == 4 else ("any", "windows")  # they read no channels beyond the last
    thin = channels < FEW and all(kernel in fits for kernel in readers)
    maps = {0: Map(channels, channels if thin else up(channels, block), height, width, 0, size)}
    for work in works:
        step, source = work.step, maps[work.step.reads]
        high, wide = _sides(step, source)
        if high < 1 or wide < 1 or (step.whole and (high, wide) != (1, 1)):
            raise RequestError(f"Pictures of {height} x {width} pixels do not fit this network.")
        added = None if step.other is None else maps[step.other]
        if added is not None and (added.channels, added.height, added.width) != (step.channels, high, wide):
            raise RequestError("Cardinet's own kernels add maps of one form only; this network adds others.")
        stored = up(step.channels, block)
        if work.kernel == "windows":
            row = source.channels * step.kernel[1]
            stored = up((step.kernel[0] - 1) * row + up(row, 64 // size), block)
        maps[step.makes] = Map(step.channels, stored, high, wide, 0, 4 if work.wide else size)
        if step.kind in ("convolution", "windows"):
            source.halo = max(source.halo, *_beyond(step, source, high, wide))
    return maps


def _sides(step: Step, source: Map) -> tuple[int, int]:
    if step.kind == "adaptive":
        return step.kernel
    if step.kind == "pick":
        return -(-source.height // step.stride[0]), -(-source.width // step.stride[1])
    if step.kind == "affine":
        return source.height, source.width
    made = []
    for side, k, s, p, d in zip(
        (source.height, source.width), step.kernel, step.stride, step.padding, step.dilation, strict=True
    ):
        room = side + 2 * p - d * (k - 1) - 1
        count = room // s + 1
        if step.ceil and room % s and count * s < side + p:
            count += 1
        made.append(count if room >= 0 else 0)
    return made[0], made[1]


def _beyond(step: Step, source: Map, high: int, wide: int) -> tuple[int, ...]:
    """How many pixels beyond each side of its input a convolution reads."""
    made = [*step.padding]
    for side, count, k, s, p, d in zip(
        (source.height, source.width), (high, wide), step.kernel, step.stride, step.padding, step.dilation, strict=True
    ):
        made.append((count - 1) * s - p + d * (k - 1) + 1 - side)
    return tuple(made)
