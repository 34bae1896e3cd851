"""Channels and their replicas: which channel each of more channels copies, and what that means for weights.

Net2Net (Chen, Goodfellow and Shlens 2015, arXiv 1511.05641, Section 2.2): a layer makes copies of its channels, and
what reads them shares the old weight among the copies. The paper shares evenly and adds noise so that copies part in
training; here the shares are random, which keeps the function and parts them as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARES = (0.5, 1.5)
"""The range from which shares are drawn before they are scaled to add up to one."""


def evenly(old: int, new: int, generator: torch.Generator) -> Tensor:
    """For each of `new` channels the one of `old` that it copies, (new,): first each itself, then more at random.

    No channel has two copies more than another.
    """
    more = new - old
    turns = [torch.randperm(old, generator=generator) for _ in range(-(-more // old))]
    return torch.cat([torch.arange(old), *turns])[:new]


def by_group(old: int, new: int, groups: Tensor, of: int, generator: torch.Generator) -> Tensor:
    """As `evenly`, for channels in groups: new group k copies all channels of the group `groups[k]` out of `of`."""
    width, wider = old // of, new // len(groups)
    return torch.cat([group * width + evenly(width, wider, generator) for group in groups.tolist()])


def padded(
    inner: Tensor, length: int, old: tuple[int, int], new: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """The copies of channels that are `inner` (of `length`) with zero channels before and behind: `old` and then `new`.

    There are as many new zero channels as old ones, or more, and none where there were none.
    """
    front, back = old
    zeros = torch.cat([torch.arange(front), front + length + torch.arange(back)])
    copied = zeros[evenly(front + back, sum(new), generator)] if front + back else zeros
    return torch.cat([copied[: new[0]], front + inner, copied[new[0] :]])


def copied(tensor: Tensor, makes: Tensor) -> Tensor:
    """What a layer has for each channel that it makes (bias, BN), for the copies."""
    return tensor[makes.to(tensor.device)]


def shared(
    weight: Tensor, reads: Tensor, makes: Tensor, groups: int, more_groups: int, generator: torch.Generator
) -> Tensor:
    """The weight (out, in / groups, ...) of a layer that reads and makes copies, in the dtype of the old one.

    A copy of an output has the weights of its own; among the copies of an input each weight is divided by random shares
    that add up to one, for every output anew. With more groups the copies of a group are whole groups.
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
