"""Pack the groups of a convolution into fewer and wider ones with block-diagonal weights, and unpack them.

With 4 channels in a group most of a matrix unit is idle. With 16 channels in a block-diagonal group the result is the
same, but zeros are computed too. The faster way depends on the machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.rewrite.module_edits import replace


def pack(network: nn.Module, width: int) -> nn.Module:
    """A network with the same function in which groups are joined until each has `width` channels or more.

    The number of joined groups is the smallest divisor that suffices; with fewer channels all groups are joined. The
    weights between joined groups are zeros. They change in training, which then trains a network with fewer groups.
    Raises RequestError if no convolution has narrower groups.
    """
    if width < 1:
        raise RequestError(f"width = {width}: give at least 1 channel for a group.")
    twin = copy.deepcopy(network)
    narrow = [(name, conv) for name, conv in _grouped(twin) if _narrowest(conv) < width]
    if not narrow:
        found = sorted({_narrowest(conv) for _, conv in _grouped(twin)})
        have = f"its groups have {', '.join(map(str, found))} channels" if found else "it has no grouped convolution"
        raise RequestError(f"width = {width}: there is nothing to pack in this network; {have}.")
    for name, conv in narrow:
        joined = next(m for m in _divisors(conv.groups) if m == conv.groups or m * _narrowest(conv) >= width)
        _regroup(twin, name, conv.groups // joined)
    return twin


def unpack(network: nn.Module) -> nn.Module:
    """A network with the same function and the groups of its description.

    Raises RequestError if nothing is packed, and if weights between joined groups are not zero, with the layer and the
    largest of them.
    """
    spec = getattr(network, "spec", None)
    if spec is None:
        raise RequestError("A network can be unpacked only with its description; this network has none.")
    plain = dict(build(spec, device="meta").named_modules())
    packed = {}
    for name, conv in network.named_modules():
        described = plain.get(name)
        if isinstance(conv, nn.Conv2d) and isinstance(described, nn.Conv2d) and described.groups > conv.groups:
            packed[name] = described.groups
    if not packed:
        raise RequestError("There is nothing to unpack in this network: it has the groups of its description.")
    twin, found = copy.deepcopy(network), []
    for name, groups in packed.items():
        conv = twin.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        rest = off_diagonal(conv.weight.detach(), conv.groups, groups)
        if not rest.is_meta and rest.any():
            found.append(
                f"{name} cannot be unpacked into {groups} groups: the weights between them are not zero (up to "
                f"{float(rest.abs().max()):.1e}), because it was trained after it was packed."
            )
            continue
        _regroup(twin, name, groups)
    if found:
        raise RequestError(*found)
    return twin


def block_diagonal(weight: Tensor, groups: int, fewer: int) -> Tensor:
    """The weight (out, in / groups, ...) of a convolution as a weight (out, in / fewer, ...) for fewer groups."""
    joined = groups // fewer
    out, inner = weight.shape[:2]
    wide = weight.new_zeros(out, joined, inner, *weight.shape[2:])
    place = torch.arange(out, device=weight.device) // (out // groups) % joined  # within the joined group
    wide[torch.arange(out, device=weight.device), place] = weight
    return wide.flatten(1, 2)


def diagonal(weight: Tensor, fewer: int, groups: int) -> Tensor:
    """The inverse of `block_diagonal`; values off the diagonal blocks are dropped."""
    joined = groups // fewer
    out = weight.shape[0]
    wide = weight.reshape(out, joined, -1, *weight.shape[2:])
    place = torch.arange(out, device=weight.device) // (out // groups) % joined
    return wide[torch.arange(out, device=weight.device), place]


def off_diagonal(weight: Tensor, fewer: int, groups: int) -> Tensor:
    """The weight with zeros on the diagonal blocks."""
    return weight - block_diagonal(diagonal(weight, fewer, groups), groups, fewer)


def _grouped(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            yield name, module


def _narrowest(conv: nn.Conv2d) -> int:
    return min(conv.in_channels, conv.out_channels) // conv.groups


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def _regroup(network: nn.Module, name: str, groups: int) -> None:
    """Change the number of groups of a convolution; one number must divide the other."""
    old = network.get_submodule(name)
    assert isinstance(old, nn.Conv2d)
    change = block_diagonal if groups < old.groups else diagonal
    with torch.device("meta"):
        new = type(old)(
            old.in_channels,
            old.out_channels,
            (old.kernel_size[0], old.kernel_size[1]),
            (old.stride[0], old.stride[1]),
            (int(old.padding[0]), int(old.padding[1])),
            (old.dilation[0], old.dilation[1]),
            groups,
            bias=old.bias is not None,
        )
    layout = torch.contiguous_format if old.weight.is_contiguous() else torch.channels_last
    weight = change(old.weight.detach(), old.groups, groups).contiguous(memory_format=layout)
    new.weight = nn.Parameter(weight, requires_grad=old.weight.requires_grad)
    new.bias = old.bias
    replace(network, name, new)
