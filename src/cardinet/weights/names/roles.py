"""Our names of the tensors that have a part of their own when weights are matched, and when two have one shape."""

from __future__ import annotations

from torch import Tensor

HEAD = ("fc.weight", "fc.bias")
COUNTER = "num_batches_tracked"
LEARNT = {"weight", "bias", "running_mean", "running_var"}
BOOKKEEPING = {COUNTER, "total_ops", "total_params"}
"""What programs keep beside the tensors of a layer, and no network computes with."""


def fits(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors have one shape, a linear layer being a convolution that sees its input as one pixel.

    That is a 1x1 convolution behind a pool, or a linear layer of ours on a flattened map where theirs is k x k.
    """
    if ours.dim() == theirs.dim():
        return ours.shape == theirs.shape
    if (ours.dim(), theirs.dim()) == (2, 4):
        return ours.shape == theirs.flatten(1).shape
    return (ours.dim(), theirs.dim()) == (4, 2) and ours.shape == (*theirs.shape, 1, 1)
