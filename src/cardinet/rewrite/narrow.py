"""Fewer channels: add the compactors of ResRep, merge them, and drop channels whose rows have become zero.

Ding et al. 2020, Sections 3.2 to 3.4 (arXiv 2007.03260). The job that trains them is `train.prune`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.compactor import Compactor
from cardinet.rewrite.fold import fold
from cardinet.rewrite.module_edits import replace
from cardinet.rewrite.prunable import Prunable, prunable

GONE = 1e-5
"""The norm of a row below which its channel is dropped, as in the authors' code."""


def compact(network: nn.Module) -> nn.Module:
    """A network with the same function, with a compactor after the BN of every prunable convolution.

    A Sequential of the BN and the compactor replaces the BN; without BN the same holds for the convolution. Raises
    RequestError if no convolution is prunable.
    """
    twin = copy.deepcopy(network)
    places = prunable(network)
    if not places:
        raise RequestError(
            "No convolution of this network can be narrowed: several layers, a sum or a concatenation read its output, "
            "or it has groups, which fix its channels. Take a smaller network instead: `cardinet plan --budget macs=N` "
            "lists those of a budget, with groups and without."
        )
    for place in places:
        name = place.norm or place.conv
        before = twin.get_submodule(name)
        conv = twin.get_submodule(place.conv)
        assert isinstance(conv, nn.Conv2d)
        compactor = Compactor(conv.out_channels).to(conv.weight.device, conv.weight.dtype)
        compactor.to(memory_format=torch.channels_last)
        replace(twin, name, nn.Sequential(before, compactor).train(before.training))
    return twin


def compactors(network: nn.Module) -> dict[str, Compactor]:
    """The compactors of a network, by the name of the convolution before each, in call order."""
    found = {}
    plain, rows = without_compactors(network)
    for place in prunable(plain):
        if (name := place.norm or place.conv) in rows:
            found[place.conv] = rows[name]
    return found


def without_compactors(network: nn.Module) -> tuple[nn.Module, dict[str, Compactor]]:
    """A copy of the network as it was before `compact`, and the compactors by their places."""
    twin = copy.deepcopy(network)
    found: dict[str, Compactor] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], Compactor):
            found[name] = module[1]
            inner = twin.get_submodule(name)
            assert isinstance(inner, nn.Sequential)
            replace(twin, name, inner[0])
    return twin, found


def narrow(network: nn.Module, kept: Mapping[str, int]) -> nn.Module:
    """The network with only the first `kept` output channels of the named convolutions; their readers are cut too.

    The function stays the same if the dropped channels are zero. No BN may follow these convolutions: `fold` first.
    Raises RequestError for a convolution that is not prunable, for a width that it does not have, and for a BN after
    it.
    """
    twin, places = copy.deepcopy(network), {place.conv: place for place in prunable(network)}
    found = []
    for name, width in kept.items():
        place = places.get(name)
        if place is None:
            found.append(f'"{name}" is not a convolution that can be narrowed ({nearest(name, places)}).')
            continue
        conv = twin.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        if not isinstance(width, int) or not 1 <= width <= conv.out_channels:
            found.append(f"{name} = {width!r}: it has {conv.out_channels} channels; give 1 to {conv.out_channels}.")
        if place.norm is not None:
            found.append(f"a BN follows {name}; fold it first.")
    if found:
        raise RequestError(*found)
    for name, width in kept.items():
        _keep(twin, places[name], torch.arange(width))
    return twin


def has_norms(network: nn.Module) -> bool:
    """Whether a network has BN, which `merge_compactors` folds before it narrows."""
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def merge_compactors(network: nn.Module) -> tuple[nn.Module, dict[str, int]]:
    """Fold BN, merge the compactors, and drop channels whose row is almost zero.

    Return the network and the kept widths by convolution. These are the arguments of `narrow`, which gives a folded
    network the same structure. Every convolution keeps at least one channel. The weights are computed in float64. The
    function changes by the values of the dropped rows, whose norm is below `GONE`.
    """
    rows = {conv: compactor.weight.detach().double().flatten(1) for conv, compactor in compactors(network).items()}
    plain, _ = without_compactors(network)
    folded = fold(plain) if has_norms(plain) else plain
    places = {place.conv: place for place in prunable(folded)}
    kept = {}
    for name, weights in rows.items():
        norms = weights.norm(dim=1)
        stay = (norms >= GONE).nonzero().flatten()
        if len(stay) == 0:
            stay = norms.argmax()[None]
        _mix(folded, name, weights)
        _keep(folded, places[name], stay)
        kept[name] = len(stay)
    return folded, kept


def _mix(network: nn.Module, name: str, rows: Tensor) -> None:
    """Merge a compactor with these rows into the convolution before it."""
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        weight = torch.einsum("rc,cikl->rikl", rows, conv.weight.double())
        conv.weight.copy_(weight)
        if conv.bias is not None:
            conv.bias.copy_(rows @ conv.bias.double())


def _keep(network: nn.Module, place: Prunable, channels: Tensor) -> None:
    """Keep some output channels of a convolution, and the same input channels of its reader."""
    conv, reader = network.get_submodule(place.conv), network.get_submodule(place.reader)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(reader, nn.Conv2d)
    channels = channels.to(conv.weight.device)
    conv.weight = _picked(conv.weight, 0, channels)
    if conv.bias is not None:
        conv.bias = _picked(conv.bias, 0, channels)
    reader.weight = _picked(reader.weight, 1, channels)
    conv.out_channels = reader.in_channels = len(channels)


def _picked(parameter: Tensor, axis: int, channels: Tensor) -> nn.Parameter:
    layout = torch.channels_last if parameter.dim() == 4 and not parameter.is_contiguous() else torch.contiguous_format
    values = parameter.detach().index_select(axis, channels).contiguous(memory_format=layout)
    return nn.Parameter(values, requires_grad=parameter.requires_grad)
