"""Our names of the tensors that are special when weights are matched, and the rule for equal shapes."""

from __future__ import annotations

from torch import Tensor

HEAD = ("fc.weight", "fc.bias")
COUNTER = "num_batches_tracked"
LEARNT = {"weight", "bias", "running_mean", "running_var"}
BOOKKEEPING = {COUNTER, "total_ops", "total_params"}
"""Entries that programs keep beside the tensors of a layer, and that no network uses in its computation."""


def fits(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors have the same shape, if a linear layer counts as a convolution over its whole input.

    Such a convolution is 1x1 after a pool, or k x k where our linear layer reads a flattened map.
    """
    if ours.dim() == theirs.dim():
        return ours.shape == theirs.shape
    if (ours.dim(), theirs.dim()) == (2, 4):
        return ours.shape == theirs.flatten(1).shape
    return (ours.dim(), theirs.dim()) == (4, 2) and ours.shape == (*theirs.shape, 1, 1)
