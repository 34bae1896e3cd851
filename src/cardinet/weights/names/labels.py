"""The layout of a library's network, where it is not the layout of the network's family."""

from __future__ import annotations

LABELS: tuple[tuple[str, str], ...] = (
    ("timm:legacy_senet154", "SENet-154, as its authors have it"),
    ("timm:legacy_se*", "SENet, as its authors have it"),
    ("*:resnext*_cifar10", "ResNet-CIFAR"),
    ("*:resdrop*_cifar10", "ResNet-CIFAR"),
    ("*:seresnet*_cifar10", "ResNet-CIFAR"),
    ("*:wrn*_cifar10", "ResNetV2-CIFAR"),
    ("*:*preresnet*_cifar10", "ResNetV2-CIFAR"),
    ("*:*preresnet*", "ResNetV2"),
    ("pytorchcv:resneta*", "ResNet-D"),
    ("pytorchcv:senet*", "SENet-154"),
    ("pytorchcv:seres*", "ResNet"),
    ("*:resnext*", "ResNet"),
    ("*:wide_resnet*", "ResNet"),
)
"""A pattern for the library's name of a network, and the layout's key beside the library. The first match counts."""
