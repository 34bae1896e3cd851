"""What stands in front of the stages."""

from __future__ import annotations

from torch import nn


def stem(in_channels: int, *, layout: str, width: int) -> dict[str, nn.Module]:
    """The children of the network before its first stage, in order.

    imagenet: conv 7x7 /2, BN, ReLU, max pool 3x3 /2 pad 1. cifar: conv 3x3, BN, ReLU.
    """
    large = layout == "imagenet"
    kernel, stride = (7, 2) if large else (3, 1)
    children: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(inplace=True),
    }
    if large:
        children["maxpool"] = nn.MaxPool2d(3, 2, padding=1)
    return children
