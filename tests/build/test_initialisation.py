"""Initial weights: torchvision's after the same seed, bit for bit, and what papers say of their own layers."""

from __future__ import annotations

from math import sqrt
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from breadth import breadth
from cardinet.blocks.residual_unit import GroupedUnit
from cardinet.build.builder import build
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.parts.spatial import Grouped
from cardinet.networks.registry import PEERS, find
from cardinet.networks.spec import NetworkSpec
from networks.peers import peer
from networks.test_torchvision_values import NAMES as RESIDUAL

THEIRS = [name.removeprefix("torchvision:") for name in PEERS if name.startswith("torchvision:")]
MIDDLE = ("vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn")
"""Their layers are those of vgg11 and vgg19_bn, and most of the time goes into 120 million weights of linear ones."""
OTHERS = [name for name in THEIRS if name not in (*RESIDUAL, *MIDDLE)]
Kind = TypeVar("Kind", bound=nn.Module)
RESNEST = find("resnest50").spec.but(depths=(1, 2), widths=(16, 32), num_classes=3)


def seeded(spec: NetworkSpec, init: str) -> nn.Module:
    torch.manual_seed(0)
    return build(spec, init=init)


def of_kind(network: nn.Module, kind: type[Kind]) -> list[Kind]:
    return [module for module in network.modules() if isinstance(module, kind)]


def spread(weight: Tensor) -> float:
    return float(weight.detach().std(correction=0))


@pytest.mark.parametrize("name", breadth(OTHERS, "vgg19_bn", "vgg11"))
def test_one_seed_gives_torchvisions_weights(name: str) -> None:
    torch.manual_seed(0)
    theirs = peer("torchvision", name).state_dict()
    ours = seeded(find(f"torchvision:{name}").spec, "torchvision").state_dict()
    assert len(ours) == len(theirs)
    different = [key for (key, a), b in zip(ours.items(), theirs.values(), strict=True) if not torch.equal(a, b)]
    assert different == []


def test_number_of_torchvisions_networks() -> None:
    """The residual ones are compared, weights and logits, in another file."""
    assert {*RESIDUAL, *MIDDLE} <= {*THEIRS}
    assert (len(RESIDUAL), len(MIDDLE), len(OTHERS)) == (10, 6, 9)


@pytest.mark.parametrize("init", ["torchvision", "paper"])
@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (find("sd152_svhn").spec.but(depths=(1, 1, 1)), 7),
        (RepVGG(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), form="deployment"), 5),
        (find("googlenet").spec, 57),
        (find("seresnet18").spec, 16),
    ],
)
def test_biases_of_convolutions_start_at_0(spec: NetworkSpec, count: int, init: str) -> None:
    network = seeded(spec, init)
    biases = [conv.bias for conv in of_kind(network, nn.Conv2d) if conv.bias is not None]
    assert len(biases) == count
    assert not any(bias.any() for bias in biases)
    assert bool(network.get_parameter("fc.bias").any()) == (init == "torchvision")


def test_densenet_scales_by_fan_out_as_the_papers_code_does() -> None:
    spec = find("densenet121").spec.but(depths=(1, 1))
    for init, fan in (("paper", 0), ("torchvision", 1)):
        convs = of_kind(seeded(spec, init), nn.Conv2d)
        assert len(convs) == 6
        for conv in convs:
            weight = conv.weight
            inputs = weight.shape[fan] * weight[0, 0].numel()
            assert abs(spread(weight) / sqrt(2 / inputs) - 1) < 4 / sqrt(2 * weight.numel())


@pytest.mark.parametrize(
    ("name", "fan"),
    [
        ("wrn16_4", "fan_in"),
        ("sd110_cifar", "fan_in"),
        ("se_wrn_16_8_cifar", "fan_in"),
        ("resnet20_cifar", "fan_out"),
        ("wrn50_2", "fan_out"),
        ("sd152_imagenet", "fan_out"),
    ],
)
def test_papers_that_scale_by_fan_in_say_so_in_their_description(name: str, fan: str) -> None:
    """The second convolution of a unit that changes the width tells the two apart; torchvision's rule knows one."""
    spec = find(name).spec
    assert spec.init_fan == fan
    for init in ("paper", "torchvision"):
        conv = seeded(spec.but(depths=(1, 1), widths=(16, 48)), init).get_submodule("layer2.0.conv1")
        assert isinstance(conv, nn.Conv2d)
        out, inner = conv.weight.shape[:2]
        inputs = (inner if init == "paper" and fan == "fan_in" else out) * conv.weight[0, 0].numel()
        assert out != inner
        assert abs(spread(conv.weight) / sqrt(2 / inputs) - 1) < 4 / sqrt(2 * conv.weight.numel())


@pytest.mark.parametrize("init", ["torchvision", "paper"])
def test_the_signal_keeps_its_size_in_a_googlenet_without_bn(init: str) -> None:
    network = seeded(find("googlenet").spec, init).eval()
    with torch.no_grad():
        last = network.get_submodule("layer3")
        seen: list[Tensor] = []
        last.register_forward_hook(lambda module, inputs, output: seen.append(output))
        network(torch.randn(2, 3, 64, 64))
    assert 0.1 < float(seen[0].square().mean().sqrt()) < 10
    assert torch.equal(network.get_parameter("stem.0.conv.bias"), torch.zeros(64))


@pytest.mark.parametrize(
    ("delta", "init", "gammas"),
    [
        ({}, "paper", [1, 0]),
        ({}, "torchvision", [1, 1]),
        ({"spatial": Grouped()}, "paper", [1, 1, 1]),
        ({"order": "b"}, "paper", [1, 1]),  # BN after the sum
        ({"order": "c"}, "paper", [1, 1]),  # a ReLU after the last BN, which would pass no gradient
        ({"order": "e"}, "paper", [1, 1]),  # BN before the convolutions
    ],
)
def test_last_gammas_of_split_attention(delta: dict[str, object], init: str, gammas: list[int]) -> None:
    network = seeded(RESNEST.but(**delta), init)
    units = of_kind(network, GroupedUnit)
    assert len(units) == 3
    for unit in units:
        own = [child for child in unit.children() if isinstance(child, nn.BatchNorm2d)]
        assert [set(norm.weight.tolist()) for norm in own] == [{gamma} for gamma in gammas]
