"""Steps of a network computed by torch in float64."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.inference.steps import Step, Steps


def values_of(
    steps: Steps, pixels: Tensor, dtype: torch.dtype = torch.float32, given: dict[int, Tensor] | None = None
) -> dict[int, Tensor]:
    """All values, of the pixels or of values that are given.

    `dtype` is that to which weights, pixels and each value are rounded; sums are float64.
    """
    values = {0: pixels.to(dtype).double()} | (given or {})
    for step in steps.steps:
        y = computed(step, values[step.reads], dtype)
        if step.other is not None:
            y = y + values[step.other]
        y = y.relu() if step.relu else y
        values[step.makes] = y if step.makes == steps.output else y.to(dtype).double()
    return values


def computed(step: Step, x: Tensor, dtype: torch.dtype) -> Tensor:
    """The operation of a step, without its sum and its ReLU."""
    bias = None if step.bias is None else step.bias.double()
    if step.kind == "convolution":
        assert step.weight is not None
        weight = step.weight.to(dtype).double()
        return F.conv2d(x, weight, bias, step.stride, step.padding, step.dilation, step.groups)
    if step.kind == "max":
        return F.max_pool2d(x, step.kernel, step.stride, step.padding, ceil_mode=step.ceil)
    if step.kind == "mean":
        return F.avg_pool2d(x, step.kernel, step.stride, step.padding, step.ceil, step.counts_padding)
    if step.kind == "adaptive":
        return F.adaptive_avg_pool2d(x, step.kernel)
    if step.kind == "pick":
        x = x[:, :, :: step.stride[0], :: step.stride[1]]
        return F.pad(x, (0, 0, 0, 0, step.before, step.channels - step.before - x.shape[1]))
    assert step.kind == "affine"
    if step.weight is None or bias is None:
        return x
    return x * step.weight.double()[:, None, None] + bias[:, None, None]
