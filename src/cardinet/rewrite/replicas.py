"""Copies of channels in a wider network, and the weights of the layers that make and read them.

Net2Net (Chen, Goodfellow and Shlens 2015, arXiv 1511.05641, Section 2.2): a layer copies its channels, and the layer
that reads them divides its old weights among the copies. The paper divides evenly and adds noise, so that the copies
learn differently. Here the shares are random, which has the same effect and keeps the function.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARES = (0.5, 1.5)
"""The range of the random shares, before they are scaled to add up to one."""


def even_copies(old: int, new: int, generator: torch.Generator) -> Tensor:
    """The old channel that each new channel copies, (new,): first all in order, then more at random.

    The numbers of copies differ by at most one.
    """
    more = new - old
    turns = [torch.randperm(old, generator=generator) for _ in range(-(-more // old))]
    return torch.cat([torch.arange(old), *turns])[:new]


def group_copies(old: int, new: int, groups: Tensor, of: int, generator: torch.Generator) -> Tensor:
    """As `even_copies`, for channels in groups: new group k copies old group `groups[k]`; `of`: their old number."""
    width, wider = old // of, new // len(groups)
    return torch.cat([group * width + even_copies(width, wider, generator) for group in groups.tolist()])


def padded_copies(
    inner: Tensor, length: int, old: tuple[int, int], new: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """The copies of channels that have zero channels before and after them.

    The channels between are copied as `inner` says, from `length` old ones. `old` and `new` are the numbers of zero
    channels before and after. There must be at least as many new zero channels as old ones, and none if there were
    none.
    """
    front, back = old
    zeros = torch.cat([torch.arange(front), front + length + torch.arange(back)])
    copy_channels = zeros[even_copies(front + back, sum(new), generator)] if front + back else zeros
    return torch.cat([copy_channels[: new[0]], front + inner, copy_channels[new[0] :]])


def copy_channels(tensor: Tensor, makes: Tensor) -> Tensor:
    """The values of a layer for each output channel (bias, BN), copied for the new channels."""
    return tensor[makes.to(tensor.device)]


def shared_weight(
    weight: Tensor, reads: Tensor, makes: Tensor, groups: int, more_groups: int, generator: torch.Generator
) -> Tensor:
    """The weight (out, in / groups, ...) of a layer whose inputs and outputs are copied, in the old dtype.

    A copied output has the weights of the old one. The weight of a copied input is divided among the copies by random
    shares that add up to one, drawn for each output. With more groups whole groups are copied.
    """
    out, inner = weight.shape[:2]
    per_group = len(reads) // more_groups
    if weight.is_meta:
        return weight.new_empty(len(makes), per_group, *weight.shape[2:])
    rows = torch.arange(len(makes)) // (len(makes) // more_groups)
    read = reads.view(more_groups, per_group)[rows]  # (new out, new in / groups), as old inputs of the whole layer
    columns = read - (makes // (out // groups) * inner)[:, None]
    assert bool((columns >= 0).all() and (columns < inner).all()), "a copy of an output reads another group"
    low, high = SHARES
    drawn = low + (high - low) * torch.rand(columns.shape, generator=generator, dtype=torch.float64)
    total = torch.zeros(len(makes), inner, dtype=torch.float64).scatter_add_(1, columns, drawn)
    shares = (drawn / total.gather(1, columns)).to(weight.device)
    wide = weight.detach().double()[makes.to(weight.device)[:, None], columns.to(weight.device)]
    return (wide * shares.view(*shares.shape, *[1] * (weight.dim() - 2))).to(weight.dtype)
