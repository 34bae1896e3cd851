"""Highway layers and networks (Srivastava et al. 2015, arXiv 1505.00387, Equation 3)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap
from cardinet.blocks.recomputation import Units


class HighwayLayer(nn.Module):
    """y = t * h + (1 - t) * x with h = relu( conv(x) ), t = sigmoid( transform(x) ), both 3x3 with bias."""

    def __init__(self, width: int, transform_bias: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.transform = nn.Conv2d(width, width, 3, padding=1)
        self.transform_bias = transform_bias

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.conv(x))
        t = torch.sigmoid(self.transform(x))
        y: Tensor = t * h + (1 - t) * x
        return y

    def initialise(self, init: str) -> None:
        """Set the gate's bias; with init = paper also draw both convolutions as the authors do."""
        if init == "paper":
            draw(self.conv)
            draw(self.transform)
        assert self.transform.bias is not None
        nn.init.constant_(self.transform.bias, self.transform_bias)


def draw(layer: nn.Conv2d | nn.Linear, std: float | None = None) -> None:
    """Draw normal weights with `std`, or with std sqrt(2 / fan_in), which the authors' Caffe calls xavier; bias 0."""
    if std is None:
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    else:
        nn.init.normal_(layer.weight, std=std)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


class HighwaySpec(ClassifierSpec, Protocol):
    """The description of a highway network."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    pools: tuple[int, ...]
    dropout: tuple[float, ...]
    first: tuple[int, int]
    narrow: int | None
    side: int
    transform_bias: float
    stds: tuple[float | None, float]


class Highway(Classifier):
    """drop0, conv1, relu1, layer1, pool1, drop1, conv2, relu2, layer2, ..., avgpool, drop, fc.

    convI and reluI stand before stage I if its width is new. The 1x1 after the last stage has the next number.
    """

    def __init__(self, spec: HighwaySpec) -> None:
        kernel, padding = spec.first
        body: dict[str, nn.Module] = {
            "drop0": nn.Dropout(spec.dropout[0]),
            "conv1": nn.Conv2d(spec.in_channels, spec.widths[0], kernel, padding=padding),
            "relu1": nn.ReLU(inplace=True),
        }
        taps = [Tap("stem", "relu1", spec.widths[0], 1)]
        w_in, stride, last = spec.widths[0], 1, len(spec.depths)
        for i, (depth, width, pool) in enumerate(zip(spec.depths, spec.widths, spec.pools, strict=True), 1):
            if width != w_in:
                body |= {f"conv{i}": nn.Conv2d(w_in, width, 3, padding=1), f"relu{i}": nn.ReLU(inplace=True)}
            body[f"layer{i}"] = Units(*(HighwayLayer(width, spec.transform_bias) for _ in range(depth)))
            taps.append(Tap(f"layer{i}", f"layer{i}", width, stride))
            if pool:
                body[f"pool{i}"] = nn.MaxPool2d(pool, 2, ceil_mode=True)
                stride *= 2
            if i < last:
                body[f"drop{i}"] = nn.Dropout(spec.dropout[i])
            w_in = width
        if spec.narrow is not None:
            body |= {f"conv{last + 1}": nn.Conv2d(w_in, spec.narrow, 1), f"relu{last + 1}": nn.ReLU(inplace=True)}
            w_in = spec.narrow
        taps[-1] = Tap(taps[-1].name, list(body)[-1], w_in, stride)
        head: dict[str, nn.Module] = {"avgpool": nn.AdaptiveAvgPool2d(spec.side), "drop": nn.Dropout(spec.dropout[-1])}
        super().__init__(body, head | {"fc": nn.Linear(w_in * spec.side * spec.side, spec.num_classes)}, taps)
        self.stds = spec.stds

    def initialise(self, init: str) -> None:
        """With init = paper all plain convolutions and the classifier as the authors drew them."""
        if init == "paper":
            for name, layer in self.named_children():
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    draw(layer, {"conv1": self.stds[0], "fc": self.stds[1]}.get(name))
