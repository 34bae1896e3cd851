"""The convolution of the blocks: torch's, but for two forms of it whose weight gradient torch computes wrongly."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NARROW = 16
"""From this number of input channels on torch's strided 1x1 convolution is right."""


class StridedPointwise(nn.Conv2d):
    """A 1x1 convolution with a stride.

    torch 2.14 with oneDNN writes beyond its memory where it computes the weight gradient of such a convolution with
    fewer than 16 input channels, in channels_last. So where there can be a gradient, a narrow one takes every
    stride-th pixel first and has no stride then: the same function.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type == "cpu" and self.in_channels < NARROW and torch.is_grad_enabled():
            down, right = self.stride
            return F.conv2d(input[:, :, ::down, ::right], self.weight, self.bias, groups=self.groups)
        return super().forward(input)


class DilatedGroups(nn.Conv2d):
    """A convolution in groups with a dilation.

    torch 2.14 with oneDNN computes a wrong weight gradient (also NaN) of such a convolution in bfloat16 and
    channels_last, for maps from 32 x 32 on. So under autocast on the CPU, where there can be a gradient, it computes in
    float32; its result has the type that autocast gives it.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type == "cpu" and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                made = super().forward(input.float())
            return made.to(torch.get_autocast_dtype("cpu"))
        return super().forward(input)


def convolution(
    w_in: int,
    w_out: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    *,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """A convolution (B, w_in, H, W) to (B, w_out, H', W')."""
    strided = stride > 1 and kernel in (1, (1, 1)) and padding in (0, (0, 0))
    kind = StridedPointwise if strided else DilatedGroups if dilation > 1 and groups > 1 else nn.Conv2d
    return kind(w_in, w_out, kernel, stride, padding, dilation, groups, bias)
