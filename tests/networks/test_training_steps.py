"""Two training steps of every third network: finite losses, and a finite gradient for every parameter.

All networks take theirs in `proofs/every_network.py`, with `--full` on pictures of their papers' sizes.
"""

from __future__ import annotations

import pytest
import torch

from cardinet.build.builder import build
from cardinet.measure.counts import parameters
from cardinet.networks.registry import NETWORKS
from networks.citizen import Subject, side, steps

pytestmark = pytest.mark.long

LARGE = 40e6
"""Parameters from which on a network is left to the proof."""

DEEP = {"multiresnet200_k5", "multiresnet398_k5", "preact1001_cifar", "resnet1202_cifar", "sd1202_cifar"}
"""What is left to the proof for its hundreds of layers."""


def test_every_third_network_takes_two_steps() -> None:
    trained = 0
    for id in list(NETWORKS)[::3]:
        row = NETWORKS[id]
        empty = build(row.spec, device="meta")  # the steps build their own
        if id not in DEEP and parameters(empty) < LARGE:
            print(id)  # pytest shows it where the steps fail
            steps(Subject(row, empty, torch.randn(2, row.spec.in_channels, side(row), side(row))))
            trained += 1
    assert trained >= 40
