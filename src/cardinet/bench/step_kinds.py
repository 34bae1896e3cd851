"""The kind of each operation of a pass, by its name and the shapes of its inputs, and the time of each kind.

An operation within another belongs to the outermost one that has a kind: a copy within a convolution is convolution,
one beside it is a copy. Only the time that is not that of an inner operation counts, so that the kinds add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONVOLUTIONS = ("1x1", "grouped", "other convolution")
OTHER, BETWEEN = "other", "between operations"
KINDS = (
    *CONVOLUTIONS,
    *("linear", "norm", "activation", "add", "pool", "optimizer", "cast or copy"),
    *(OTHER, BETWEEN),
)
"""All kinds, in the order of a table. `BETWEEN` is what a step takes beside operations: Python, dispatch, waiting."""

_NAMES = {
    "norm": ("batch_norm", "native_batch_norm_backward", "cudnn_batch_norm"),
    "activation": ("relu", "relu_", "clamp_min", "clamp_min_", "threshold_backward", "sigmoid", "silu", "hardtanh"),
    "add": ("add", "add_"),
    "pool": ("max_pool2d", "max_pool2d_with_indices_backward", "avg_pool2d", "avg_pool2d_backward", "mean"),
    "linear": ("linear", "addmm", "mm"),
    "cast or copy": ("to", "_to_copy", "copy_", "clone", "contiguous"),
}
_KIND_OF = {name: kind for kind, names in _NAMES.items() for name in names}
_POOLS = (
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool2d_backward",
)
_KIND_OF |= dict.fromkeys(_POOLS, "pool")
_FORWARD = ("conv2d", "convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution")
_BACKWARD = "convolution_backward"

Shapes = Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation as the profiler saw it: its own milliseconds, and the operation that it is a part of."""

    name: str
    shapes: Shapes
    own: float
    parent: Operation | None = None


def kind_of(operation: Operation) -> str:
    """The kind of the outermost operation around it, or of itself, that has one."""
    found = OTHER
    place: Operation | None = operation
    while place is not None:
        found = _own_kind(place.name, place.shapes) or found
        place = place.parent
    return found


def times_by_kind(operations: Iterable[Operation], whole: float) -> dict[str, float]:
    """The milliseconds of each kind that occurs, in the order of `KINDS`. They add up to `whole`, the time of all."""
    found = dict.fromkeys(KINDS, 0.0)
    for operation in operations:
        found[kind_of(operation)] += operation.own
    found[BETWEEN] = max(0.0, whole - math.fsum(found.values()))
    return {kind: time for kind, time in found.items() if time > 0}


def convolution_kind(channels: int, weight: Sequence[int]) -> str:
    """The kind of a convolution of so many input channels and a weight (out, in / groups, height, width)."""
    if channels != weight[1]:
        return "grouped"
    return "1x1" if math.prod(weight[2:]) == 1 else "other convolution"


def _own_kind(name: str, shapes: Shapes) -> str | None:
    if name.startswith("Optimizer."):
        return "optimizer"
    space, _, bare = name.partition("::")
    if space == "cardinet":
        return "norm" if bare.startswith("batch_norm") else None
    if space != "aten":
        return None
    first = 1 if bare == _BACKWARD else 0
    if bare in _FORWARD or bare == _BACKWARD:
        x, weight = (shapes[i] if i < len(shapes) else () for i in (first, first + 1))
        return convolution_kind(x[1], weight) if len(x) == len(weight) == 4 else None
    return _KIND_OF.get(bare)
