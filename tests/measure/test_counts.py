"""Counts against independent counting: torch's own counter of operations, and formulas by hand."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.counts import count, count_spec, parameters
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.spatial import Grouped
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import Transform
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual

INDEPENDENT = [
    ("resnet18", {}, 224),
    ("resnet50", {"stride_at": 0}, 224),
    ("resnet50", {"gate": SqueezeExcite(reduction=16), "in_channels": 4, "num_classes": 7}, 192),
    ("resnext50_32x4d", {}, 224),
    ("resnext29_8x64d", {"form": "a"}, 32),
    ("resnext29_8x64d", {"form": "b", "num_classes": 100}, 40),
    ("resnet20_cifar", {"kind": "C"}, 33),
]


def test_number_of_independent_counts() -> None:
    assert len(INDEPENDENT) == 7


@pytest.mark.parametrize(("id", "delta", "size"), INDEPENDENT)
def test_multiply_adds_are_half_of_what_torch_counts(id: str, delta: dict[str, object], size: int) -> None:
    spec = find(id).spec.but(**delta)
    network = build(spec, device="meta").eval()
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        network(torch.empty(1, spec.in_channels, size, size, device="meta"))
    counts = count_spec(spec, size)
    assert counts.flops == 2 * counts.macs == flops.get_total_flops()
    assert counts.params == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("cardinality", [1, 2, 8])
def test_formula_by_hand(cardinality: int) -> None:
    """A stem of 16, one bottleneck 16 -> 3 C -> 3 C -> 64 in C groups with a projection, 5 classes, 12 pixels."""
    spec = Residual(
        depths=(1,),
        widths=(16,),
        stem=Stem(layout="cifar", width=16),
        transform=Transform(
            kernels=(1, 3, 1),
            at=1,
            stride_at=1,
            expansion=4,
            base_width=12,
            spatial=Grouped(cardinality=cardinality),
        ),
        num_classes=5,
        in_channels=2,
    )
    inner, pixels = 3 * cardinality, 12 * 12
    convolutions = [9 * 2 * 16, 16 * inner, 9 * 3 * inner, inner * 64, 16 * 64]
    norms = [16, inner, inner, 64, 64]
    counts = count_spec(spec, 12)
    assert counts.params == sum(convolutions) + 2 * sum(norms) + 64 * 5 + 5
    assert counts.macs == pixels * sum(convolutions) + 64 * 5
    assert counts.activations == pixels * sum(norms) + 5
    assert [stage.name for stage in counts.stages] == ["conv1", "bn1", "relu", "layer1", "avgpool", "fc"]
    assert [stage.output for stage in counts.stages][-3:] == [(64, 12, 12), (64, 1, 1), (5,)]


def test_activations_of_resnext50() -> None:
    assert count_spec(find("resnext50_32x4d").spec, 224).activations == 14_401_512


def test_stride_in_the_first_1x1_costs_less() -> None:
    first, spatial = (count_spec(find("resnet50").spec.but(stride_at=at), 224) for at in (0, 1))
    assert (round(first.macs / 1e9, 3), round(spatial.macs / 1e9, 3)) == (3.858, 4.089)
    assert first.params == spatial.params


def test_channels_and_classes_change_only_the_ends() -> None:
    spec = find("resnet18").spec
    base, wide, few = (count_spec(s, 64) for s in (spec, spec.but(in_channels=5), spec.but(num_classes=10)))
    assert wide.params - base.params == 2 * 49 * 64
    assert wide.macs - base.macs == 2 * 49 * 64 * 32 * 32
    assert base.params - few.params == 990 * 513
    assert base.macs - few.macs == 990 * 512
    assert wide.input == (5, 64, 64)


def test_frozen_parameters_are_not_counted_and_the_mode_is_kept() -> None:
    network = build(find("resnet20_cifar").spec, device="meta")
    whole = parameters(network)
    network.get_parameter("conv1.weight").requires_grad_(False)
    assert whole - parameters(network) == 3 * 9 * 16
    assert network.train().training
    assert count(network, 32).params == parameters(network)
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_document_is_plain_data() -> None:
    document = json.loads(json.dumps(count_spec(find("resnet20_cifar").spec, 32).to_document()))
    assert document["params"] == 269_722
    assert document["flops"] == 2 * document["macs"]
    assert document["input"] == [3, 32, 32]
    assert [stage["name"] for stage in document["stages"]][-1] == "fc"


def test_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(RequestError, match="cannot take a picture of 0 x 0 pixels"):
        count_spec(find("resnet20_cifar").spec, 0)
