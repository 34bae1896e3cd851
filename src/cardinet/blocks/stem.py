"""The stem: the layers before the stages."""

from __future__ import annotations

from torch import nn


def stem(in_channels: int, *, layout: str, width: int, words: str, pool: str, bias: bool) -> dict[str, nn.Module]:
    """The children of the network before its first stage, in order: conv1, bn1 and relu if `words` are given, maxpool.

    imagenet: 7x7 /2. deep: 3x3 /2, 3x3, 3x3 of twice the width (He et al. 2018, arXiv 1812.01187), each except
    the last with BN and ReLU. Both then have a max pool 3x3 /2, padded or in ceil mode. cifar: 3x3.
    """
    children: dict[str, nn.Module] = {}
    if layout == "deep":
        children["conv1"] = nn.Sequential(
            *_conv_norm_relu(in_channels, width, 2, bias),
            *_conv_norm_relu(width, width, 1, bias),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=bias),
        )
        width = 2 * width
    else:
        kernel, stride = (7, 2) if layout == "imagenet" else (3, 1)
        children["conv1"] = nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2, bias=bias)
    if words:
        children |= {"bn1": nn.BatchNorm2d(width), "relu": nn.ReLU(inplace=True)}
    if layout != "cifar":
        children["maxpool"] = nn.MaxPool2d(3, 2, ceil_mode=True) if pool == "ceil" else nn.MaxPool2d(3, 2, padding=1)
    return children


def _conv_norm_relu(w_in: int, w_out: int, stride: int, bias: bool) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(w_in, w_out, 3, stride, padding=1, bias=bias),
        nn.BatchNorm2d(w_out),
        nn.ReLU(inplace=True),
    )
