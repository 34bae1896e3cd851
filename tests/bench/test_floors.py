"""The floor of a network by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cardinet.bench.floors import Layer, floor, layers_of
from cardinet.bench.peaks import Peaks
from cardinet.build.builder import build
from cardinet.measure.counts import count
from cardinet.networks.registry import find

PEAKS = Peaks({"float32": 1e9}, 1e9)


class Unit(nn.Module):
    """3x3 grouped, BN, ReLU, 1x1, sum, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.fc = nn.Conv2d(4, 4, 1, bias=False), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv2(torch.relu(self.bn1(self.conv1(x)))) + x
        logits: Tensor = self.fc(h.mean((2, 3)))
        return logits


def test_multiply_adds_and_bytes_by_hand() -> None:
    map = 2 * 4 * 6 * 6
    assert layers_of(Unit(), 6, 4, 2) == [
        Layer("grouped", map * 18, 2 * map + 72),
        Layer("1x1", map * 4, 2 * map + 16),
        Layer("add", 0, map),
        Layer("linear", 2 * 4 * 10, 2 * 4 + 40 + 2 * 10),
    ]


def test_a_layer_takes_the_longer_of_computing_and_moving() -> None:
    computes, moves = Layer("1x1", 1_000_000, 1000), Layer("add", 0, 1_000_000)
    assert computes.seconds(PEAKS, "float32") == 2e-3
    assert moves.seconds(PEAKS, "float32") == 4e-3
    assert computes.seconds(PEAKS, "bfloat16") == 2e-6  # its peak is unknown: only the bytes count
    assert floor([computes, moves], PEAKS, "float32") == 6.0


def test_the_multiply_adds_are_those_of_the_counts() -> None:
    spec = find("resnext29_8x64d").spec
    network = build(spec, device="meta")
    assert sum(layer.macs for layer in layers_of(network, 32, 3, 3)) == 3 * count(network, 32).macs
