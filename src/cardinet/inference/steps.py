"""A network as a list of fused steps: what the kernels for inference run, in order.

The network is stripped, its branches are merged and its BN is folded; the rest is read from its data flow. A sum and a
ReLU become part of the step before them where nothing else reads what that step makes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.rewrite.data_flow import Call, Flow, flow_of
from cardinet.rewrite.fold import affine, fold
from cardinet.rewrite.merge_branches import merge_branches
from cardinet.rewrite.strip import strip

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Step:
    """y = relu( operation(x) + other ), of which the sum and the ReLU are optional.

    `reads`, `other` and `makes` are the numbers of values; 0 is the picture. `kind` is "convolution" (weight (out,
    inputs of a group, height, width)), "max", "mean" (pools), "adaptive" (mean of `kernel` equal parts), "affine"
    (x * weight + bias for each channel) or "pick" (each `stride`-th pixel, `before` channels of zeros before it).
    """

    kind: str
    reads: int
    makes: int
    channels: int
    weight: Tensor | None = None
    bias: Tensor | None = None
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    ceil: bool = False
    counts_padding: bool = False
    before: int = 0
    relu: bool = False
    other: int | None = None
    whole: bool = False
    """Whether the kernel has to cover its input: a linear layer on a map."""


@dataclass(frozen=True)
class Steps:
    """The steps from pictures of `channels` channels to logits, the value `output`."""

    steps: tuple[Step, ...]
    channels: int
    output: int


def prepared(network: nn.Module) -> nn.Module:
    """A copy of a network with the same function in eval mode, with as few layers as the rewrites can make."""
    twin = strip(network).to("cpu", torch.float32).eval()
    for rewrite in (merge_branches, fold):
        with suppress(RequestError):
            twin = rewrite(twin)
    return twin.requires_grad_(False)


def steps_of(network: nn.Module) -> Steps:
    """The steps of a network. Raises RequestError, with all reasons, for operations that no step has."""
    twin = prepared(network)
    flow = flow_of(twin)
    reader = _Reader(twin, flow)
    for call in flow.calls:
        reader.read(call)
    if reader.refused:
        raise RequestError(*(f"Cardinet's own kernels cannot run this network: {why}." for why in reader.refused))
    output = reader.same.get(flow.output, flow.output)
    return Steps(tuple(_joined(reader.steps, output)), reader.channels[flow.picture], output)


class Refused(Exception):
    """Why a call cannot become a step, in words."""


class _Reader:
    """Makes a step of each call. `same` has values that are another value seen with another shape."""

    def __init__(self, network: nn.Module, flow: Flow) -> None:
        self.network = network
        self.steps: list[Step] = []
        self.same: dict[int, int] = {}
        spec: Any = network.spec
        self.channels: dict[int, int] = {flow.picture: spec.in_channels}
        self.picked: dict[int, tuple[int, Pair]] = {}
        self.sides: dict[int, int] = {}
        self.refused: list[str] = []

    def read(self, call: Call) -> None:
        """Append the step of a call, or the reason why there is none."""
        try:
            make = _MAKERS.get(call.operation.rstrip("_"))
            if make is None or (self.picked.keys() & set(call.reads) and make not in (_slice, _pad)):
                raise Refused(f"it has no {call.operation.strip('_')}")
            make(self, call)
        except Refused as reason:
            where = f" in {call.inside}" if call.inside else ""
            self.refused.append(f"{reason}{where}")
            for value in call.makes:  # go on, to find all reasons
                self.channels[value] = self.channels.get(self.of(call.reads[0]), 1)

    def of(self, value: int) -> int:
        return self.same.get(value, value)

    def add(self, call: Call, kind: str, channels: int | None = None, **settings: Any) -> None:
        reads, makes = self.of(call.reads[0]), call.makes[0]
        self.channels[makes] = self.channels.get(reads, 1) if channels is None else channels
        self.steps.append(Step(kind=kind, reads=reads, makes=makes, channels=self.channels[makes], **settings))


def _convolution(reader: _Reader, call: Call) -> None:
    layer = reader.network.get_submodule(call.layer) if call.layer is not None else None
    if not isinstance(layer, nn.Conv2d) or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise Refused("a convolution that is no Conv2d with zeros as padding")
    reader.add(
        call,
        "convolution",
        layer.out_channels,
        weight=layer.weight.detach(),
        bias=None if layer.bias is None else layer.bias.detach(),
        kernel=_pair(layer.kernel_size),
        stride=_pair(layer.stride),
        padding=_pair(layer.padding),
        dilation=_pair(layer.dilation),
        groups=layer.groups,
    )


def _linear(reader: _Reader, call: Call) -> None:
    layer = reader.network.get_submodule(call.layer) if call.layer is not None else None
    if not isinstance(layer, nn.Linear):
        raise Refused("a matrix product that is no Linear")
    source = reader.of(call.reads[0])
    channels = reader.channels[source]
    side = round((layer.in_features / channels) ** 0.5)
    if side * side * channels != layer.in_features:
        raise Refused("a linear layer on a map that is not square")
    weight = layer.weight.detach().view(layer.out_features, channels, side, side)
    bias = None if layer.bias is None else layer.bias.detach()
    reader.add(call, "convolution", layer.out_features, weight=weight, bias=bias, kernel=(side, side), whole=True)


def _norm(reader: _Reader, call: Call) -> None:
    layer = reader.network.get_submodule(call.layer) if call.layer is not None else None
    if not isinstance(layer, nn.BatchNorm2d) or layer.running_mean is None:
        raise Refused("a norm without running statistics")
    scale, shift = affine(layer)
    reader.add(call, "affine", weight=scale.float(), bias=shift.float())


def _relu(reader: _Reader, call: Call) -> None:
    reader.add(call, "affine", relu=True)


def _add(reader: _Reader, call: Call) -> None:
    if len(call.reads) != 2 or call.scalars:
        raise Refused("a sum with a constant or a factor")
    reader.add(call, "affine", other=reader.of(call.reads[1]))


def _max_pool(reader: _Reader, call: Call) -> None:
    kernel, stride, padding, dilation, ceil = _filled(call.arguments[1:], (None, (), 0, 1, False))
    if _pair(dilation) != (1, 1):
        raise Refused("a pool with dilation")
    stride = _pair(stride or kernel)
    reader.add(call, "max", kernel=_pair(kernel), stride=stride, padding=_pair(padding), ceil=bool(ceil))


def _mean_pool(reader: _Reader, call: Call) -> None:
    given = _filled(call.arguments[1:], (None, (), 0, False, True, None))
    kernel, stride, padding, ceil, counts, divisor = given
    if divisor is not None or (ceil and counts and _pair(padding) != (0, 0)):
        raise Refused("a mean pool with a divisor of its own")
    settings: dict[str, Any] = {"kernel": _pair(kernel), "stride": _pair(stride or kernel), "padding": _pair(padding)}
    reader.add(call, "mean", ceil=bool(ceil), counts_padding=bool(counts) and _pair(padding) != (0, 0), **settings)


def _adaptive(reader: _Reader, call: Call) -> None:
    reader.add(call, "adaptive", kernel=_pair(call.arguments[1]))


def _mean(reader: _Reader, call: Call) -> None:
    if sorted(dim % 4 for dim in call.arguments[1]) != [2, 3]:
        raise Refused("a mean over channels or pictures")
    reader.add(call, "adaptive", kernel=(1, 1))


def _alias(reader: _Reader, call: Call) -> None:
    if call.operation.endswith("view") and (len(call.arguments[1]) != 2 or call.arguments[1][0] != 1):
        raise Refused("a view other than one row for each picture")  # the data flow is that of one picture
    reader.same[call.makes[0]] = reader.of(call.reads[0])


def _slice(reader: _Reader, call: Call) -> None:
    dim, start, end, step = _filled(call.arguments[1:], (0, None, None, 1))
    source, (down, across) = reader.picked.get(call.reads[0], (reader.of(call.reads[0]), (1, 1)))
    if start not in (None, 0) or (end is not None and end < 1 << 31) or dim not in (2, 3):
        raise Refused("a slice other than each n-th pixel")
    reader.picked[call.makes[0]] = (source, (down * step, across) if dim == 2 else (down, across * step))
    reader.channels[call.makes[0]] = reader.channels[source]


def _pad(reader: _Reader, call: Call) -> None:
    sides, value = _filled(call.arguments[1:], (None, 0))
    source, stride = reader.picked.get(call.reads[0], (reader.of(call.reads[0]), (1, 1)))
    if value != 0 or len(sides) < 6 or any(sides[:4]) or any(sides[6:]) or min(sides) < 0:
        raise Refused("a padding other than by channels of zeros")
    channels = reader.channels[source] + sides[4] + sides[5]
    reader.same[call.reads[0]] = source
    reader.add(call, "pick", channels, stride=stride, before=sides[4])


_MAKERS: dict[str, Callable[[_Reader, Call], None]] = {
    "convolution": _convolution,
    "addmm": _linear,
    "mm": _linear,
    "norm": _norm,
    "relu": _relu,
    "add": _add,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _mean_pool,
    "_adaptive_avg_pool2d": _adaptive,
    "mean": _mean,
    "view": _alias,
    "_unsafe_view": _alias,
    "clone": _alias,
    "slice": _slice,
    "constant_pad_nd": _pad,
}


def _joined(steps: Sequence[Step], output: int) -> list[Step]:
    """The steps with every sum and ReLU that a step before can do done there."""
    made: dict[int, Step] = dict(enumerate(steps))
    maker = {step.makes: i for i, step in made.items()}
    readers: dict[int, list[int]] = defaultdict(list)
    for i, step in made.items():
        for value in (step.reads, step.other):
            if value is not None:
                readers[value].append(i)
    for i, step in enumerate(steps):
        if step.kind != "affine" or step.weight is not None:
            continue
        ahead, other = step.reads, step.other
        if other is not None and maker.get(other, -1) > maker.get(ahead, -1):
            ahead, other = other, ahead
        target = made.get(maker.get(ahead, -1))
        if target is None or target.relu or target.kind == "pick" or readers[ahead] != [i] or ahead == output:
            continue
        if other is not None and (target.kind != "convolution" or target.other is not None):
            continue
        at = maker[ahead]
        made[at] = replace(target, makes=step.makes, relu=step.relu, other=target.other if other is None else other)
        maker[step.makes] = at
        if other is not None:
            readers[other] = [at if reader == i else reader for reader in readers[other]]
        del made[i]
    return list(made.values())


def _pair(value: Any) -> Pair:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return (int(values[0]), int(values[-1]))


def _filled(given: Sequence[Any], defaults: Sequence[Any]) -> list[Any]:
    return [*given, *defaults[len(given) :]]
