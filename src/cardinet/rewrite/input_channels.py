"""Change the number of input channels: sum or divide the weights of the convolutions that read the picture."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.rewrite.data_flow import Call, Flow, flow_of
from cardinet.rewrite.module_edits import layout_of

VIEWS = ("slice", "clone", "_to_copy", "alias", "detach", "max_pool2d_with_indices", "avg_pool2d")
"""Operations that treat every channel in the same way."""


class Repeated(nn.Module):
    """A network that repeats the channels of its pictures `times` times."""

    def __init__(self, network: nn.Module, times: int) -> None:
        super().__init__()
        self.network, self.times = network, times

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x.repeat(1, self.times, 1, 1))
        return logits


def in_channels(network: nn.Module, channels: int) -> nn.Module:
    """The network for pictures with another number of channels, a divisor or a multiple of the old number.

    With fewer channels the weights of joined channels are summed: the new network computes what the old one computes
    for repeated channels (3 to 1: for a grey picture as RGB). With more channels each weight is divided among the
    copies of its channel (1 to 3: the old result for the mean). This holds in train mode too. Every convolution that
    reads the picture changes, and so does the description. Dtype, device (also the meta device), layout, modes and
    `requires_grad` are kept. Raises RequestError for any other number, and for a network in which another layer than a
    convolution reads the picture.
    """
    spec: Any = getattr(network, "spec", None)
    if spec is None:
        raise RequestError("The input channels can be changed only with a description; this network has none.")
    old = spec.in_channels
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise RequestError(f"in_channels = {channels!r}: give a whole number from 1.")
    if channels == old:
        raise RequestError(f"in_channels = {channels}: the network has this number already; omit it.")
    if channels % old and old % channels:
        raise RequestError(
            f"in_channels = {channels}: the network has {old}; give a multiple or a divisor of that, "
            f"such as {1 if old > 1 else 3}."
        )
    names = readers(network)
    twin: Any = copy.deepcopy(network)
    for name in names:
        _change(twin.get_submodule(name), channels, layout_of(network))
    twin.spec = spec.but(in_channels=channels)
    return twin  # type: ignore[no-any-return]


def repeated(before: nn.Module, after: nn.Module, old: int, new: int) -> tuple[nn.Module, nn.Module]:
    """Two modules with equal outputs for each picture with the smaller number of channels."""
    fewer = min(old, new)
    return Repeated(before, old // fewer), Repeated(after, new // fewer)


def readers(network: nn.Module) -> list[str]:
    """The convolutions that read the picture, in call order. Raises RequestError if any other layer reads it."""
    flow = flow_of(network)
    found: dict[str, list[Call]] = {}
    for call in _first_calls(flow, flow.picture):
        conv = network.get_submodule(call.layer) if call.layer is not None else None
        if not isinstance(conv, nn.Conv2d) or conv.groups > 1 or call.operation != "convolution":
            what = call.layer or call.inside or call.operation
            raise RequestError(
                f"{what} reads the picture and is not a convolution without groups; only the weights of "
                "such convolutions can be summed or divided."
            )
        found.setdefault(str(call.layer), []).append(call)
    if shared := [name for name, calls in found.items() if len(calls) < len(flow.of_layer[name])]:
        raise RequestError(f"{shared[0]} reads more than the picture, so its input channels cannot be changed.")
    return list(found)


def _first_calls(flow: Flow, picture: int) -> list[Call]:
    """The calls that read the picture, or a view of it with separate channels."""
    found = []
    for call in flow.readers[picture]:
        of_channels = call.operation == "slice" and call.scalars[:1] == (1.0,)
        if call.operation in VIEWS and not of_channels:
            found += _first_calls(flow, call.makes[0])
        else:
            found.append(call)
    return found


def _change(conv: nn.Conv2d, channels: int, layout: torch.memory_format) -> None:
    """Change the number of input channels of a convolution. The weights are computed in float64."""
    own = conv.weight
    out, had = own.shape[:2]
    weight = own.detach().double()
    if channels < had:
        weight = weight.reshape(out, had // channels, channels, *own.shape[2:]).sum(1)
    else:
        weight = weight.repeat(1, channels // had, 1, 1) * (had / channels)
    conv.in_channels = channels
    conv.weight = nn.Parameter(weight.to(own.dtype, memory_format=layout), requires_grad=own.requires_grad)
