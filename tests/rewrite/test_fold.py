"""Folding by value in float64: every place where BN can stand, and the reasons where it cannot go."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.merge import Weighted
from cardinet.build.builder import build
from cardinet.networks.parts.carry import Scaled
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.merge import StochasticDepth, Swapout
from cardinet.networks.parts.order import ORDERS, Order
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.spatial import Grouped, SelectiveKernel
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK, Transform
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.fold import fold, unfolded
from cardinet.rewrite.strip import strip

SMALL = Residual(
    depths=(2, 1), widths=(16, 32), stem=Stem(layout="cifar", width=16), shortcut=Shortcut(kind="B"), num_classes=5
)
"""Two stages of basic units, with projections."""


class Chain(nn.Module):
    """Any chain of layers as a network with a description, of pictures of 3 channels."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.spec: Any = SMALL

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y.flatten(1)


def drawn(network: nn.Module) -> Any:
    """In float64 and eval mode, with BN that is no identity."""
    generator = torch.Generator().manual_seed(7)
    network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            assert module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            if module.affine:
                nn.init.uniform_(module.weight, -2, 2, generator=generator)
                nn.init.normal_(module.bias, generator=generator)
    return network


def difference(before: nn.Module, after: nn.Module) -> float:
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = before(x)
        return float((after(x) - expected).abs().max() / expected.abs().max())


def norms(network: nn.Module) -> list[str]:
    return [n for n, m in network.named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]


BEHIND: dict[str, nn.Module] = {
    "a convolution": Chain(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6)),
    "one with bias, stride and dilation": Chain(nn.Conv2d(3, 6, 3, 2, 2, dilation=2), nn.BatchNorm2d(6)),
    "groups": Chain(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 12, 3, groups=3), nn.BatchNorm2d(12)),
    "depthwise": Chain(nn.Conv2d(3, 9, 3, padding=1, groups=3), nn.BatchNorm2d(9)),
    "no gamma and beta": Chain(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False)),
    "another eps": Chain(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6, eps=0.3)),
    "dropout between": Chain(nn.Conv2d(3, 6, 3), nn.Dropout(0.5), nn.BatchNorm2d(6)),
    "two after one another": Chain(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4)),
    "a linear layer": Chain(nn.Flatten(), nn.Linear(432, 7, bias=False), nn.BatchNorm1d(7)),
    "a linear layer with bias": Chain(nn.Flatten(), nn.Linear(432, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 2)),
}
BEFORE: dict[str, nn.Module] = {
    "a convolution without padding": Chain(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3)),
    "a 1x1": Chain(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1, bias=False)),
    "groups without padding": Chain(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3, groups=3)),
    "a linear layer": Chain(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 5)),
}


@pytest.mark.parametrize("name", [*BEHIND, *(f"before {name}" for name in BEFORE)])
def test_one_place(name: str) -> None:
    network = drawn(copy.deepcopy(BEHIND.get(name) or BEFORE[name.removeprefix("before ")]))
    folded = fold(network)
    assert norms(network)
    assert norms(folded) == []
    assert difference(network, folded) <= 1e-13
    assert unfolded(network) == {}


def test_number_of_places() -> None:
    assert (len(BEHIND), len(BEFORE)) == (10, 4)


STAYS: dict[str, tuple[nn.Module, str]] = {
    "a ReLU": (
        Chain(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.BatchNorm2d(6)),
        "layers.2 cannot be folded: it follows a ReLU.",
    ),
    "a pool": (
        Chain(nn.Conv2d(3, 6, 3), nn.MaxPool2d(2), nn.BatchNorm2d(6)),
        "layers.2 cannot be folded: it follows a max pool.",
    ),
    "padding": (
        Chain(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3, padding=1)),
        "layers.0 cannot be folded: it reads the picture, and a convolution with padding reads it.",
    ),
    "no statistics": (
        Chain(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, track_running_stats=False)),
        "layers.1 cannot be folded: it keeps no running statistics.",
    ),
    "nothing": (Chain(nn.Conv2d(3, 6, 3)), "There is no BN to fold in this network."),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_cannot_be_folded_is_refused_with_layer_and_reason(name: str) -> None:
    network, message = STAYS[name]
    with pytest.raises(RequestError) as error:
        fold(network)
    assert error.value.findings == (message,)
    assert len(STAYS) == 5


def test_a_layer_that_is_used_twice_keeps_its_bn() -> None:
    shared = nn.Conv2d(3, 3, 1)
    network = drawn(Chain(shared, nn.BatchNorm2d(3), shared, nn.ReLU(), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)))
    assert unfolded(network) == {"layers.1": "layers.0 is used several times"}
    folded = fold(network)
    assert norms(folded) == ["layers.1"]
    assert difference(network, folded) <= 1e-13


SPECS: dict[str, tuple[Residual, int]] = {
    "original": (SMALL, 0),
    "BN after the sum": (SMALL.but(order="b"), 2),
    "ReLU before the sum": (SMALL.but(order="c"), 0),
    "ReLU-only": (SMALL.but(order="d"), 0),
    "full pre-activation": (SMALL.but(order="e"), 2),
    "pre-activation, fb": (SMALL.but(order="e", boundary="fb"), 2),
    "pre-activation, timm": (SMALL.but(order="e", boundary="timm"), 3),
    "BN alone before 1x1s": (
        SMALL.but(transform=BOTTLENECK, order=Order(pre="bn", last="", after=""), project="conv"),
        0,
    ),
    "form a": (SMALL.but(transform=BOTTLENECK, cardinality=4, form="a"), 0),
    "form b": (SMALL.but(transform=BOTTLENECK, cardinality=4, form="b"), 0),
    "gate": (SMALL.but(gate=SqueezeExcite(reduction=4)), 0),
    "selective kernels": (SMALL.but(spatial=SelectiveKernel(cardinality=4)), 0),
    "average pool in the shortcut": (SMALL.but(project="avg conv bn"), 0),
    "deep stem": (SMALL.but(stem=Stem(layout="deep", width=8)), 0),
    "copies": (SMALL.but(copies=2), 0),
    "one convolution": (SMALL.but(transform=Transform(kernels=(3,))), 0),
    "convolutions with bias": (SMALL.but(conv_bias=True), 0),
    "levels": (SMALL.but(levels="Levels()"), 0),
    "scaled": (SMALL.but(carry=Scaled()), 0),
    "depthwise": (SMALL.but(spatial=Grouped(cardinality=16), widths=(16, 16)), 0),
}


@pytest.mark.parametrize("name", SPECS)
def test_residual_networks(name: str) -> None:
    spec, left = SPECS[name]
    torch.manual_seed(0)
    network = drawn(build(spec))
    folded = fold(network)
    assert len(norms(folded)) == left, unfolded(network)
    assert difference(network, folded) <= 1e-11
    assert len(SPECS) == 20
    assert set(ORDERS) == set("abcde")


RULES = [StochasticDepth(last=0.25), Swapout(last=(0.5, 0.75)), StochasticDepth(rescale="train")]


@pytest.mark.parametrize("merge", RULES)
def test_constants_on_branches_are_folded_too(merge: Any) -> None:
    torch.manual_seed(0)
    network = drawn(build(SMALL.but(merge=merge)))
    folded = fold(strip(network))
    assert difference(network, folded) <= 1e-13
    weighted = [m for m in folded.modules() if isinstance(m, Weighted)]
    assert len(weighted) == 3
    assert all(m.branch == 1 for m in weighted)
    projected = weighted[2]  # the skip of the second stage is a projection, those of the first are what came before
    assert projected.skip == 1


@pytest.mark.parametrize("merge", ["Add()", "StochasticDepth(last=0.25)", "Swapout()"])
def test_the_scale_of_inception_resnet_is_folded(merge: str) -> None:
    base = find("inception_resnet_v1").spec
    network = drawn(build(base.but(stages=(base.stages[0][:2],), num_classes=4, merge=merge)))
    folded: Any = fold(strip(network))
    assert [block.scale for block in network.layer1] == [0.17, 0.17]
    assert [block.scale for block in folded.layer1] == [1.0, 1.0]
    if merge != "Add()":
        assert [block.merge.branch for block in folded.layer1] == [1.0, 1.0]
    x = torch.randn(2, 3, 107, 107, dtype=torch.float64)
    with torch.no_grad():
        assert (folded(x) - network(x)).abs().max() <= 1e-12 * network(x).abs().max()


def test_dtype_layout_mode_and_frozen_parameters_are_kept() -> None:
    network = build(SMALL).to(torch.bfloat16)
    network.eval()
    network.layer2.requires_grad_(False)
    network.get_submodule("layer1").train()
    folded = fold(network)
    assert {p.dtype for p in folded.parameters()} == {torch.bfloat16}
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in folded.parameters() if p.dim() == 4)
    assert {n.partition(".")[0] for n, p in folded.named_parameters() if not p.requires_grad} == {"layer2"}
    assert folded.get_submodule("layer1.0.bn1").training
    assert not folded.get_submodule("bn1").training


def test_folding_twice_says_that_nothing_is_left() -> None:
    with pytest.raises(RequestError, match="There is no BN to fold"):
        fold(fold(build(SMALL)))
