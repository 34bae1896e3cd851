"""Fewer channels: which convolutions can lose them, the multiply-adds that stay, compactors merged and dropped."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.blocks.compactor import Compactor
from cardinet.build.builder import build
from cardinet.build.meta import on_meta
from cardinet.measure.counts import count
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.fold import fold
from cardinet.rewrite.narrow import GONE, compact, compactors, merge_compactors, narrow, without_compactors
from cardinet.rewrite.prunable import Budget, prunable
from cardinet.rewrite.steps import apply, steps_from_document
from rewrite.test_fold import SMALL, Chain, difference, drawn

PLACES: dict[str, tuple[int, list[str]]] = {
    "resnet50": (32, ["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"]),
    "resnet56_cifar": (27, ["layer1.0.conv1", "layer1.1.conv1", "layer1.2.conv1"]),
    "preact164_cifar": (108, ["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"]),
    "se_resnet_110_cifar": (54, ["layer1.0.conv1", "layer1.1.conv1", "layer1.2.conv1"]),
    "densenet_bc_100_12": (48, ["layer1.0.conv1", "layer1.1.conv1", "layer1.2.conv1"]),
    "vgg16": (12, ["conv1_1", "conv1_2", "conv2_1"]),
    "resnext50_32x4d": (0, []),
    "repvgg_a0": (0, []),
    "sknet50": (0, []),
}


@pytest.mark.parametrize("id", PLACES)
def test_prunable_convolutions(id: str) -> None:
    number, first = PLACES[id]
    places = [place.conv for place in prunable(build(find(id).spec, device="meta"))]
    assert len(places) == number
    assert places[:3] == first
    assert len(PLACES) == 9


def test_the_authors_pruned_resnet50_has_the_papers_counts() -> None:
    row = find("resrep_resnet50")
    network = build(row.spec, device="meta")
    steps = steps_from_document(json.loads(json.dumps(row.printed_steps)))
    assert [step.name for step in steps] == ["fold", "narrow"]
    kept = steps[1].arguments["kept"]
    assert list(kept) == [place.conv for place in prunable(network)]
    small = apply(network, steps)
    counts = count(small, 224)
    assert counts.params == 16_534_085
    assert round(counts.macs / 1e9, 3) == 1.859
    assert Budget(network, 224, prunable(network)).macs(kept) == counts.macs
    assert round(1 - counts.macs / count(network, 224).macs, 4) == 0.5454


SPECS: dict[str, Residual] = {
    "basic": SMALL,
    "bottleneck": SMALL.but(transform=BOTTLENECK, base_width=32),
    "pre-activation": SMALL.but(order="e"),
    "copies": SMALL.but(copies=2),
    "BN after the sum": SMALL.but(order="b"),
    "levels": SMALL.but(levels="Levels()"),
}


@pytest.mark.parametrize("name", SPECS)
def test_rows_of_zeros_are_dropped(name: str) -> None:
    """Compacted, its rows changed and some closed, the network is the narrowed one, whose structure the widths give."""
    torch.manual_seed(0)
    plain = drawn(build(SPECS[name]))
    compacted = compact(plain)
    rows = compactors(compacted)
    assert list(rows) == [place.conv for place in prunable(plain)]
    assert difference(plain, compacted) == 0
    with torch.no_grad():
        for i, compactor in enumerate(rows.values()):
            compactor.weight += 0.3 * torch.randn_like(compactor.weight)
            compactor.weight[torch.randperm(compactor.out_channels)[: 2 + i % 3]] = 0
    before = copy.deepcopy(compacted.state_dict())
    small, kept = merge_compactors(compacted)
    assert difference(compacted, small) <= 1e-12
    assert kept == {conv: compactor.out_channels - 2 - i % 3 for i, (conv, compactor) in enumerate(rows.items())}
    assert not any(isinstance(module, Compactor) for module in small.modules())
    structure = narrow(fold(build(SPECS[name], device="meta")), kept).state_dict()
    assert {n: t.shape for n, t in small.state_dict().items()} == {n: t.shape for n, t in structure.items()}
    assert all(torch.equal(tensor, before[key]) for key, tensor in compacted.state_dict().items())
    counts = count(on_meta(small), 12).macs
    assert Budget(plain, 12, prunable(plain)).macs(kept) == counts < count(on_meta(plain), 12).macs
    assert len(SPECS) == 6


def test_one_channel_stays_and_what_small_rows_held_is_the_difference() -> None:
    torch.manual_seed(0)
    compacted = compact(drawn(build(SMALL)))
    with torch.no_grad():
        for compactor in compactors(compacted).values():
            compactor.weight *= 0.9 * GONE
    small, kept = merge_compactors(compacted)
    assert set(kept.values()) == {1}
    assert 0 < difference(compacted, small) < 1e-4


def test_compactors_come_out_as_they_went_in() -> None:
    plain = build(SMALL)
    again, rows = without_compactors(compact(plain))
    assert len(rows) == 3
    assert again.state_dict().keys() == plain.state_dict().keys()
    compactor = next(iter(rows.values()))
    assert torch.equal(compactor.weight.detach(), torch.eye(16)[:, :, None, None])
    assert compactor.mask.tolist() == [1] * 16
    assert compactor.norms().tolist() == [1] * 16


def test_a_network_without_bn() -> None:
    network = drawn(Chain(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3)))
    compacted = compact(network)
    rows = compactors(compacted)
    assert list(rows) == ["layers.0"]
    with torch.no_grad():
        rows["layers.0"].weight[1:5] = 0
    small, kept = merge_compactors(compacted)
    assert kept == {"layers.0": 2}
    assert difference(compacted, small) <= 1e-13


def test_refusals() -> None:
    grouped = SMALL.but(transform=BOTTLENECK, cardinality=4)
    with pytest.raises(RequestError, match="or it has groups, which fix its channels"):
        compact(build(grouped, device="meta"))
    network: Any = build(SMALL, device="meta")
    with pytest.raises(RequestError) as error:
        narrow(network, {"layer1.0.conv3": 4, "layer1.0.conv1": 17})
    assert error.value.findings == (
        '"layer1.0.conv3" is not a convolution that can be narrowed (nearest: layer1.0.conv1, layer2.0.conv1, '
        "layer1.1.conv1).",
        "layer1.0.conv1 = 17: it has 16 channels; give 1 to 16.",
        "a BN follows layer1.0.conv1; fold it first.",
    )
