"""The bounds on the size of a network hold for every topology and every growth, and can be lifted."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

import cardinet
from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.counts import parameters
from cardinet.networks.registry import NETWORKS, find
from cardinet.rewrite.steps import Step, apply

FAMILIES = {row.family: row.id for row in reversed(NETWORKS.values())}
"""A network of each family, its first one."""

HUGE: list[tuple[str, dict[str, Any]]] = [
    ("resnet50", {"cardinality": 1_000_000}),
    ("resnet50", {"depths": (10_000, 10_000, 10_000, 10_000)}),
    ("resnet50", {"num_classes": 1_000_000}),
    ("resnet50", {"width": 1_000_000, "expansion": 1_000_000, "base_width": 1_000_000, "cardinality": 1_000_000}),
    ("resnext50_32x4d", {"form": "a", "cardinality": 1_000_000, "base_width": 64}),
    ("densenet121", {"depths": (10_000,) * 30}),
    ("fractalnet20", {"columns": 10}),
    ("vgg16", {"widths": (1_000_000,) * 5}),
    ("sknet50", {"cardinality": 1_000_000}),
]


def test_every_family_is_here() -> None:
    assert len(FAMILIES) == 22


@pytest.mark.parametrize("network", breadth(FAMILIES.values(), "multiresnet200_k5"))
def test_parameters_are_counted_while_it_is_built(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find(network).spec
    own = sum(p.numel() for p in build(spec, device="meta").parameters())
    monkeypatch.setattr("cardinet.build.size_bound.PARAMETERS", own)
    build(spec, device="meta")
    monkeypatch.setattr("cardinet.build.size_bound.PARAMETERS", own - 1)
    with pytest.raises(RequestError, match=rf"too large: it has at least {own:,} parameters, and {own - 1:,} are"):
        build(spec, device="meta")


@pytest.mark.parametrize(("network", "delta"), HUGE)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_huge_descriptions_are_refused(
    network: str, delta: dict[str, Any], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardinet.build.size_bound.MODULES", 1000)
    monkeypatch.setattr("cardinet.build.size_bound.PARAMETERS", 50_000_000)
    with pytest.raises(RequestError, match="The network is too large: "):
        build(find(network).spec.but(**delta), device=device)


def test_no_tensor_is_larger_than_memory_without_bounds() -> None:
    spec = find("resnet18").spec.but(num_classes=1_000_000, width=1_000_000, widths=(1_000_000,) * 4, expansion=1000)
    with cardinet.no_bounds(), pytest.raises(RequestError, match="one of its parameters is larger than the memory"):
        build(spec)


def test_modules_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.build.size_bound.MODULES", 60)
    with pytest.raises(
        RequestError, match=r"has at least 61 modules, and 60 .*; --no-bounds lifts this bound \(in Python:"
    ):
        cardinet.create("resnet18", device="meta")
    with cardinet.no_bounds():
        cardinet.create("resnet18", device="meta")
    torch.nn.ModuleList(torch.nn.Identity() for _ in range(100))  # the bound is on what is built from a description


@pytest.mark.parametrize(
    "step",
    [
        Step("deepen", {"depths": (3, 4, 90, 3)}),
        Step("widen", {"base_width": 64}),
        Step("pack", {"width": 4096}),
        Step("classes", {"rows": [-1] * 20_000}),
    ],
    ids=lambda step: step.name,
)
def test_growth_is_bounded(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(find("resnext50_32x4d").spec, device="meta")
    monkeypatch.setattr("cardinet.build.size_bound.PARAMETERS", 40_000_000)
    with pytest.raises(RequestError, match="too large"):
        apply(network, [step])
    with cardinet.no_bounds():
        assert parameters(apply(network, [step])) > 40_000_000


def test_another_thread_is_not_counted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hooks are torch's, for the whole process; what each thread makes is its own."""
    from cardinet.build.size_bound import within_bounds

    monkeypatch.setattr("cardinet.build.size_bound.MODULES", 10)
    other = threading.Thread(target=lambda: [torch.nn.Sequential(torch.nn.Identity()) for _ in range(50)])
    with within_bounds():
        other.start()
        other.join()
        torch.nn.Sequential(torch.nn.Identity())


def test_stages_that_halve_a_picture_away_are_refused() -> None:
    with pytest.raises(RequestError, match="at most 32 items"):
        find("resnet18").spec.but(depths=(1,) * 33, widths=(8,) * 33)
