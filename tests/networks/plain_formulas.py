"""The layers of networks without BN, from their formulas; no module of torch or Cardinet runs here."""

from __future__ import annotations

import torch
from torch import Tensor


def convolve(x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """y[n, o, i, j] = b[o] + sum_cuv w[o, c, u, v] x[n, g d + c, s i + u - p, s j + v - p], o of group g."""
    n, _, height, width = x.shape
    w_out, per_group, kernel, _ = weight.shape
    padded = x.new_zeros(n, x.shape[1], height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = x
    rows, columns = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
    own = w_out // groups
    parts = []
    for g in range(groups):
        total = x.new_zeros(n, own, rows, columns)
        for u in range(kernel):
            for v in range(kernel):
                window = padded[:, g * per_group : (g + 1) * per_group, u::stride, v::stride][:, :, :rows, :columns]
                total = total + torch.einsum("nchw,oc->nohw", window, weight[g * own : (g + 1) * own, :, u, v])
        parts.append(total)
    return torch.cat(parts, 1) + bias[:, None, None]


def positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def max_pool(x: Tensor, window: int) -> Tensor:
    """Maxima at stride 2; the last window may hang over the edge, as in Caffe, but none starts beyond it."""
    starts = [range(0, size - window + 2 if (size - window) % 2 else size - window + 1, 2) for size in x.shape[2:]]
    rows = [
        torch.stack([x[:, :, i : i + window, j : j + window].amax((2, 3)) for j in starts[1]], 2) for i in starts[0]
    ]
    return torch.stack(rows, 2)


def averages(x: Tensor, side: int) -> Tensor:
    """Means of side x side windows that cover the picture, from floor(i n / side) to ceil((i + 1) n / side)."""
    n = x.shape[2]
    edges = [(i * n // side, -(-(i + 1) * n // side)) for i in range(side)]
    rows = [torch.stack([x[:, :, a:b, c:d].mean((2, 3)) for c, d in edges], 2) for a, b in edges]
    return torch.stack(rows, 2)
