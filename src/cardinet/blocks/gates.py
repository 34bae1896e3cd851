"""Gates: they weigh a branch before it is joined with the shortcut."""

from __future__ import annotations

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """x * sigmoid( fc2( relu( fc1( mean(x) ) ) ) ), one weight per channel (Hu et al. 2017, arXiv 1709.01507)."""

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, inner, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(inner, channels, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.sigmoid(self.fc2(self.relu(self.fc1(self.avgpool(x)))))
        return x * weight
