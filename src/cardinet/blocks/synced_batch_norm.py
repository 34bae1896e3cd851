"""Batch normalisation whose statistics are those of the parts of a batch in all processes together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """BN over the parts of a batch that several processes hold, in training; in eval mode the usual BN.

    The result, the gradients and the running statistics are those of one process with the whole batch, up to rounding
    (in float64 about 1e-12). The parts may have different sizes. It needs an open process group, and works for tensors
    of the CPU too, which torch's SyncBatchNorm refuses. A forward pass sends 2 C + 1 numbers to every process, a
    backward pass 2 C.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        weight = torch.ones_like(self.running_var) if self.weight is None else self.weight
        bias = torch.zeros_like(self.running_mean) if self.bias is None else self.bias
        y, mean, variance, count = _Normalised.apply(input, weight, bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            unbiased = variance * (count / (count - 1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
        return y  # type: ignore[no-any-return]


class _Normalised(torch.autograd.Function):
    """(x, weight, bias) to weight * (x - mean) / sqrt(variance + eps) + bias, mean and variance over all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        wide = x.to(weight.dtype)
        mean, variance, count = together(*parts(wide))
        scale = (variance + eps).rsqrt()
        y = (wide - _channels(mean)) * _channels(scale * weight) + _channels(bias)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.count = count
        ctx.mark_non_differentiable(mean, variance)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        dy = gradients[0].to(weight.dtype)
        normal = (x.to(weight.dtype) - _channels(mean)) * _channels(scale)
        own = torch.stack([dy.sum((0, 2, 3)), (dy * normal).sum((0, 2, 3))])
        every = own.clone()
        dist.all_reduce(every)
        of_mean, of_scale = every / ctx.count
        dx = (dy - _channels(of_mean) - normal * _channels(of_scale)) * _channels(scale * weight)
        return dx.to(x.dtype), own[1], own[0], None


def parts(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """The mean and the sum of squared distances from it, (C,) each, and the number of values of a channel."""
    mean = x.mean((0, 2, 3))
    return mean, (x - _channels(mean)).square().sum((0, 2, 3)), x.numel() // x.shape[1]


def together(mean: Tensor, squares: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (C,) over all processes, and the number of values, (): exact, as no large sums are subtracted.

    The parts of all processes are put together by the rule of Chan, Golub and LeVeque (1979).
    """
    own = torch.cat([mean, squares, mean.new_tensor([count])])
    every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(every, own)
    table = torch.stack(every)
    channels = len(mean)
    means, sums, counts = table[:, :channels], table[:, channels:-1], table[:, -1:]
    total = counts.sum()
    whole = (means * counts).sum(0) / total
    return whole, (sums + counts * (means - whole).square()).sum(0) / total, total


def _channels(values: Tensor) -> Tensor:
    return values[:, None, None]


def synced(network: nn.Module) -> int:
    """Make every BN of a network one over all processes, in place, with its own tensors; return their number.

    The modules keep their names and their state, so checkpoints and model files stay as they are.
    """
    found = [module for module in network.modules() if type(module) is nn.BatchNorm2d]
    for module in found:
        module.__class__ = SyncedBatchNorm2d
    return len(found)
