"""The weights of convolutions in the orders in which the kernels read them (`ops/kernels/convolve.cpp` and others)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

LANES = 16
PANEL = 32


def up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def panels(weight: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
    """Of a weight (out, inner, height, width): [group][panel][tap][word][output][part of a word].

    A panel has 32 outputs; the last of a group may have 16.
    """
    parts = 4 // dtype.itemsize
    out, inner, height, width = weight.shape
    of_group = out // groups
    by_tap = weight.view(groups, of_group, inner, height * width).transpose(2, 3)
    full = pad(by_tap, (0, -inner % parts, 0, 0, 0, -of_group % LANES))
    words = full.unflatten(3, (-1, parts))  # group, out, tap, word, part
    made = [rows.permute(1, 2, 0, 3).reshape(-1) for group in words for rows in group.split(PANEL)]
    return torch.cat(made).to(dtype)


def lanewise(weight: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
    """Of a 3 x 3 weight with 4, 8, 16 (bfloat16 32) channels a group: the order of `lanewise.cpp`."""
    channels, inner = weight.shape[:2]
    narrow = dtype == torch.bfloat16
    words, turns = lanes_of(inner, dtype)
    parts, size = 4 // dtype.itemsize, 16 // dtype.itemsize
    o = output_order(channels, dtype).view(
        -1, 1, 2, 4, 4, 1, 1
    )  # block, turn, half, lane, output of a lane, word, part
    turn = torch.arange(turns).view(1, -1, 1, 1, 1, 1, 1)
    half = torch.arange(2).view(1, 1, 2, 1, 1, 1, 1)
    lane = torch.arange(4).view(1, 1, 1, 4, 1, 1, 1)
    word = torch.arange(words).view(-1, 1)
    block = torch.arange(len(o)).view(-1, 1, 1, 1, 1, 1, 1) * PANEL
    first = block + (0 if narrow else LANES * half) + size * (lane ^ turn)
    skipped = words * parts * half if narrow and words < 4 else 0
    source = first + skipped + word * parts + torch.arange(parts)
    inside = (source - o // inner * inner).expand(*torch.broadcast_shapes(source.shape, o.shape))
    rows = o.expand_as(inside)
    exists = (inside >= 0) & (inside < inner) & (rows < channels)
    taken = weight[rows.clamp(max=channels - 1), inside.clamp(0, inner - 1)]  # ..., height, width
    chosen = torch.where(exists[..., None, None], taken, torch.zeros((), dtype=weight.dtype))
    # block, turn, half, lane, output, word, part, y, x -> block, y, turn, half, x, word, lane, output, part
    return chosen.permute(0, 7, 1, 2, 8, 5, 3, 4, 6).reshape(-1).to(dtype)


def lanes_of(inner: int, dtype: torch.dtype) -> tuple[int, int]:
    """The words of a group in a lane of 128 bits, and the lanes of a group."""
    size = 16 // dtype.itemsize
    return min(inner * dtype.itemsize // 4, 4), max(1, inner // size)


def fits_lanes(weight: Tensor, groups: int, dtype: torch.dtype) -> bool:
    """Whether the lanewise kernel takes a weight."""
    inner = weight.shape[1]
    return weight.shape[2:] == (3, 3) and weight.shape[0] == inner * groups and inner in (4, 8, 16)


def output_order(channels: int, dtype: torch.dtype) -> Tensor:
    """The channel at each place of a block of 32 of the lanewise kernel, padded to whole blocks: int64."""
    order = torch.arange(up(channels, PANEL))
    if dtype == torch.bfloat16:
        order = order.view(-1, 4, 2, 4).transpose(1, 2).reshape(-1)  # block, lane, half, output
    return order


def any_order(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """[16 outputs][tap][input of the group][output], float32 of values rounded to a type."""
    full = pad(weight.flatten(2), (0, 0, 0, 0, 0, -len(weight) % LANES))
    blocks = full.view(-1, LANES, *full.shape[1:])
    return blocks.permute(0, 3, 2, 1).reshape(-1).to(dtype).float()


def padded(vector: Tensor | None, count: int, groups: int = 1) -> Tensor:
    """A float32 vector with zeros after each group, up to whole 16 channels, and 32 at the end."""
    values = torch.zeros(count) if vector is None else vector
    by_group = values.view(groups, -1)
    return pad(pad(by_group, (0, -by_group.shape[1] % LANES)).flatten(), (0, PANEL))
