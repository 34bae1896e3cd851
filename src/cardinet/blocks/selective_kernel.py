"""Selective kernels: Li et al. 2019, Section 3.1 (arXiv 1903.06586)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cardinet.blocks.convolution import convolution


class SelectiveKernel(nn.Module):
    """The weighted sum of several paths (conv, BN, ReLU); the weights are a softmax over the paths per channel.

    The weights come from fc2( relu( bn( fc1( mean(sum of the paths) ) ) ) ), both without bias; fc1 has
    max(channels / reduction, least) outputs. Every path has the stride of the unit.
    """

    def __init__(
        self,
        w_in: int,
        w_out: int,
        kernel: int,
        stride: int,
        bias: bool,
        *,
        cardinality: int,
        kernels: tuple[tuple[int, int], ...],
        reduction: int,
        least: int,
    ) -> None:
        super().__init__()
        convs = [
            convolution(w_in, w_out, k, stride, padding=d * (k // 2), dilation=d, groups=cardinality, bias=bias)
            for k, d in kernels
        ]
        self.paths = nn.ModuleList(nn.Sequential(c, nn.BatchNorm2d(w_out), nn.ReLU(inplace=True)) for c in convs)
        inner = max(w_out // reduction, least)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(w_out, inner, 1, bias=False)
        self.bn = nn.BatchNorm2d(inner)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(inner, w_out * len(kernels), 1, bias=False)

    def initialise(self, init: str) -> None:
        """With init = paper draw both attention layers with std 0.01, as the authors do."""
        if init == "paper":
            nn.init.normal_(self.fc1.weight, std=0.01)
            nn.init.normal_(self.fc2.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        paths = torch.stack([path(x) for path in self.paths], dim=1)
        weights = self.fc2(self.relu(self.bn(self.fc1(self.avgpool(paths.sum(1))))))
        shares = weights.view(*paths.shape[:3], 1, 1).softmax(1)
        return torch.sum(paths * shares, 1)
