"""DenseNet: every layer of a block reads the maps of all earlier layers (Huang et al. 2016, arXiv 1608.06993)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap
from cardinet.blocks.recomputation import Recomputing


class DenseLayer(nn.Sequential):
    """(N, C_1, H, W), ..., (N, C_n, H, W) to (N, k, H, W): the layers run in turn on the concatenated maps."""

    def forward(self, *maps: Tensor) -> Tensor:
        x = torch.cat(maps, 1)
        for layer in self:
            x = layer(x)
        return x


def preactivated(w_in: int, w_out: int, kernel: int, dropout: float, number: str = "") -> dict[str, nn.Module]:
    """BN, ReLU, convolution, dropout; `number` ends their names where a layer has several of each."""
    return {
        f"bn{number}": nn.BatchNorm2d(w_in),
        f"relu{number}": nn.ReLU(inplace=True),
        f"conv{number}": nn.Conv2d(w_in, w_out, kernel, padding=kernel // 2, bias=False),
        f"drop{number}": nn.Dropout(dropout),
    }


def dense_layer(w_in: int, growth: int, bottleneck: bool, dropout: float) -> DenseLayer:
    """bn, relu, conv 3x3 to k channels; with a bottleneck bn1, relu1, conv1 1x1 to 4k, bn2, relu2, conv2 3x3 to k."""
    if not bottleneck:
        return DenseLayer(OrderedDict(preactivated(w_in, growth, 3, dropout)))
    inner = 4 * growth
    layers = preactivated(w_in, inner, 1, dropout, "1") | preactivated(inner, growth, 3, dropout, "2")
    return DenseLayer(OrderedDict(layers))


class DenseBlock(nn.ModuleList, Recomputing):
    """x_i = H_i(x_0, ..., x_(i-1)) for its layers H_1 to H_n; the output is x_0 to x_n, concatenated.

    With `recompute` training keeps only x_0 to x_n. The backward pass computes the layers again, up to their last
    convolution, and with dropout this one too. Pleiss et al. 2017 (arXiv 1707.06990) also keep the output of the
    first convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self:
            maps.append(self.run([layer], *maps))
        return torch.cat(maps, 1)


def transition(w_in: int, w_out: int, dropout: float) -> nn.Sequential:
    """bn, relu, conv 1x1, dropout, average pool 2x2."""
    return nn.Sequential(OrderedDict(preactivated(w_in, w_out, 1, dropout), pool=nn.AvgPool2d(2)))


def stem_layers(in_channels: int, layout: str, width: int) -> dict[str, nn.Module]:
    """imagenet: conv 7x7 /2, BN, ReLU, max pool 3x3 /2. cifar: only conv 3x3, as every layer starts with BN, ReLU."""
    if layout == "cifar":
        return {"conv1": nn.Conv2d(in_channels, width, 3, padding=1, bias=False)}
    return {
        "conv1": nn.Conv2d(in_channels, width, 7, 2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, 2, padding=1),
    }


class DenseNetSpec(ClassifierSpec, Protocol):
    """The description of a DenseNet."""

    depths: Sequence[int]
    growth: int
    bottleneck: bool
    compression: float
    stem: str
    stem_width: int
    dropout: float


class DenseNet(Classifier):
    """Stem, layer1, transition1, layer2, ..., bn_last, relu_last, avgpool, fc; see the description for the settings."""

    fans = {"torchvision": "fan_in"}

    def __init__(self, spec: DenseNetSpec) -> None:
        body = stem_layers(spec.in_channels, spec.stem, spec.stem_width)
        width, stride = spec.stem_width, 1 if spec.stem == "cifar" else 4
        taps = [Tap("stem", list(body)[-1], width, stride)]
        for i, depth in enumerate(spec.depths, 1):
            inputs = range(width, width + depth * spec.growth, spec.growth)
            layers = [dense_layer(w_in, spec.growth, spec.bottleneck, spec.dropout) for w_in in inputs]
            body[f"layer{i}"] = DenseBlock(layers)
            width += depth * spec.growth
            taps.append(Tap(f"layer{i}", f"layer{i}", width, stride * 2 ** (i - 1)))
            if i < len(spec.depths):
                body[f"transition{i}"] = transition(width, int(spec.compression * width), spec.dropout)
                width = int(spec.compression * width)
        body |= {"bn_last": nn.BatchNorm2d(width), "relu_last": nn.ReLU(inplace=True)}
        taps[-1] = replace(taps[-1], child="relu_last")
        super().__init__(body, {"avgpool": nn.AdaptiveAvgPool2d(1), "fc": nn.Linear(width, spec.num_classes)}, taps)

    def initialise(self, init: str) -> None:
        """The bias of the classifier starts at 0, in the paper's code and in torchvision."""
        nn.init.zeros_(self.get_parameter("fc.bias"))
