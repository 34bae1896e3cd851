"""Plain chains without shortcuts: VGG (Simonyan and Zisserman 2014) and AlexNet (Krizhevsky et al. 2012)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import nn

from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap

HIDDEN = 4096


def head(w_in: int, side: int, num_classes: int, *, dropout: float, drop: str = "after") -> dict[str, nn.Module]:
    """avgpool to side x side, fc6, relu6, fc7, relu7, fc; dropout `after` each ReLU, or `before` fc6 and before fc7."""
    children: dict[str, nn.Module] = {"avgpool": nn.AdaptiveAvgPool2d(side)}
    features = w_in * side * side
    for i in (6, 7):
        if drop == "before":
            children[f"drop{i}"] = nn.Dropout(dropout)
        children[f"fc{i}"] = nn.Linear(features, HIDDEN)
        children[f"relu{i}"] = nn.ReLU(inplace=True)
        if drop == "after":
            children[f"drop{i}"] = nn.Dropout(dropout)
        features = HIDDEN
    return children | {"fc": nn.Linear(HIDDEN, num_classes)}


class VGGSpec(ClassifierSpec, Protocol):
    """The description of a VGG, with the gate as a constructor."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    norm: bool
    gate: Callable[[int], nn.Module] | None
    dropout: float


class VGG(Classifier):
    """conv1_1 (bn1_1) relu1_1 (gate1_1) ... pool1 conv2_1 ... pool5 avgpool fc6 relu6 drop6 fc7 relu7 drop7 fc."""

    def __init__(self, spec: VGGSpec) -> None:
        body: dict[str, nn.Module] = {}
        taps: list[Tap] = []
        w_in = spec.in_channels
        for i, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), 1):
            for j in range(1, depth + 1):
                body[f"conv{i}_{j}"] = nn.Conv2d(w_in, width, 3, padding=1)
                if spec.norm:
                    body[f"bn{i}_{j}"] = nn.BatchNorm2d(width)
                body[f"relu{i}_{j}"] = nn.ReLU(inplace=True)
                if spec.gate is not None:
                    body[f"gate{i}_{j}"] = spec.gate(width)
                w_in = width
            body[f"pool{i}"] = nn.MaxPool2d(2)
            taps.append(Tap(f"pool{i}" if taps else "stem", f"pool{i}", width, 2**i))
        super().__init__(body, head(w_in, 7, spec.num_classes, dropout=spec.dropout), taps)

    def initialise(self, init: str) -> None:
        """Biases are 0. Linear weights, with init = paper all weights (Section 3.1), are normal with std 0.01."""
        for layer in self.children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                if init == "paper" or isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=0.01)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)


class AlexNetSpec(ClassifierSpec, Protocol):
    """The description of an AlexNet, with the norm as a constructor."""

    widths: tuple[int, ...]
    padding: int
    cardinality: int
    norm: Callable[[], nn.Module] | None
    pool: str
    drop: str


class AlexNet(Classifier):
    """conv1 relu1 (norm1) pool1 conv2 relu2 (norm2) pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 avgpool ... fc."""

    fans = {"torchvision": None}

    def __init__(self, spec: AlexNetSpec) -> None:
        body: dict[str, nn.Module] = {}
        taps: list[Tap] = []
        w_in = spec.in_channels
        for i, (width, kernel) in enumerate(zip(spec.widths, (11, 5, 3, 3, 3), strict=True), 1):
            stride, pad = (4, spec.padding) if i == 1 else (1, kernel // 2)
            groups = spec.cardinality if i in (2, 4, 5) else 1
            body[f"conv{i}"] = nn.Conv2d(w_in, width, kernel, stride, pad, groups=groups)
            body[f"relu{i}"] = nn.ReLU(inplace=True)
            if spec.norm is not None and i <= 2:
                body[f"norm{i}"] = spec.norm()
            if i in (1, 2, 5):
                body[f"pool{i}"] = nn.MaxPool2d(3, 2, ceil_mode=spec.pool == "ceil")
                taps.append(Tap(f"pool{i}" if taps else "stem", f"pool{i}", width, 8 * 2 ** len(taps)))
            w_in = width
        super().__init__(body, head(w_in, 6, spec.num_classes, dropout=0.5, drop=spec.drop), taps)

    def initialise(self, init: str) -> None:
        """With init = paper (Section 5): weights normal with std 0.01, biases 1 in conv2, 4, 5, fc6 and fc7, else 0."""
        if init != "paper":
            return
        for name, layer in self.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                assert layer.bias is not None
                nn.init.constant_(layer.bias, float(name in ("conv2", "conv4", "conv5", "fc6", "fc7")))
