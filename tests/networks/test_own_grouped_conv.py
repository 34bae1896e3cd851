"""Grouped convolutions that may take own kernels: the same function, and only where a measurement says so."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks import own_grouped_conv
from cardinet.blocks.own_grouped_conv import OwnGroupedConv2d, take_own_grouped
from cardinet.build.builder import build
from cardinet.ops.gpu_choice import Case, Form
from networks.small_networks import bottleneck
from networks.test_recomputation import pictures, step

MEASURED = {Case("?", "forward", "float32", (1, 1, 1, 1), 1, 1): Form()}


def test_without_a_measurement_a_network_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_grouped_conv, "forms", dict)
    network = build(bottleneck)
    assert take_own_grouped(network) == 0
    assert not any(isinstance(each, OwnGroupedConv2d) for each in network.modules())


def test_a_step_is_the_same_where_the_operator_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_grouped_conv, "forms", lambda: MEASURED)
    plain = build(bottleneck).train().double()  # whose rounding carries no ReLU's argument over 0
    own = copy.deepcopy(plain)
    assert take_own_grouped(own) == sum(isinstance(each, OwnGroupedConv2d) for each in own.modules()) == 5
    assert list(own.state_dict()) == list(plain.state_dict())
    calls: list[int] = []

    def all_chosen(x: Tensor, weight: Tensor, stride: int) -> bool:
        calls.append(stride)
        return True

    monkeypatch.setattr(own_grouped_conv, "chosen", all_chosen)
    pixels, labels = pictures(bottleneck)
    exact, found = step(plain, pixels.double(), labels), step(own, pixels.double(), labels)
    assert calls == [1, 1, 2, 2, 1]
    assert all(torch.allclose(found[name], exact[name], rtol=1e-9, atol=1e-9) for name in exact)
    own.eval()(pixels.double())
    assert len(calls) == 5


def test_what_the_kernels_cannot_compute_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_grouped_conv, "forms", lambda: MEASURED)
    plain = {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "padding": 1, "groups": 2, "bias": False}
    others = (
        {"groups": 1}, {"out_channels": 16}, {"kernel_size": 5}, {"stride": 3}, {"stride": (1, 2)}, {"padding": 0},
        {"dilation": 2}, {"padding_mode": "reflect"}, {"bias": True},
    )  # fmt: skip
    network = nn.Sequential(*(nn.Conv2d(**plain | other) for other in ({}, *others)))
    assert take_own_grouped(network) == 1
    assert type(network[0]) is OwnGroupedConv2d
