"""Other input channels: the same function on repeated channels, for every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.build.meta import on_meta
from cardinet.networks.parts.stem import Stem
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.input_channels import in_channels, readers
from cardinet.rewrite.steps import Step, apply
from networks.citizen import side
from networks.test_citizen import SMALL as FAMILIES
from rewrite.growing import as_its_description_builds_it, distance, proof, trained

SMALL = Residual(depths=(1, 1), widths=(8, 16), stem=Stem(layout="cifar", width=8), num_classes=4)
SEVERAL = {"repvgg_a0": 2, "fractalnet20": 2, "fractalnet20_droppath": 2}
"""Families in which more than one convolution reads the picture."""


@pytest.mark.parametrize("id", FAMILIES)
def test_every_family(id: str) -> None:
    row = find(id)
    spec = row.spec.but(**FAMILIES[id])
    assert len(readers(build(spec, device="meta"))) == SEVERAL.get(id, 1)
    other = 1 if spec.in_channels == 3 else 3
    step = Step("in_channels", {"channels": other})
    as_its_description_builds_it(apply(build(spec, device="meta"), [step]), spec, [step])


@pytest.mark.parametrize("id", ["repvgg_a0", "fractalnet20", "highway10_mnist", "resnet20_cifar"])
def test_proofs(id: str) -> None:
    row = find(id)
    spec = row.spec.but(**FAMILIES[id])
    network = trained(spec, side(row))
    for channels in (1, 6) if spec.in_channels == 3 else (3, 2):
        found = proof(network, Step("in_channels", {"channels": channels}), side(row))
        assert 0 < found.float64 <= 1e-10
        assert found.float32 <= 1e-5


def test_grey_and_colour() -> None:
    """3 to 1 is the old network on grey pictures as RGB, 1 to 3 the old one on the mean; in train mode too."""
    for before, after in ((3, 1), (1, 3), (6, 2), (2, 6)):
        network = build(SMALL.but(in_channels=before)).double().train()
        found = in_channels(network, after)
        x = torch.randn(3, after, 8, 8, dtype=torch.float64)
        if after < before:
            expected = network(x.repeat(1, before // after, 1, 1))
        else:
            expected = network(x.view(3, after // before, before, 8, 8).mean(1))
        assert distance(found(x), expected) < 1e-13
        back = in_channels(found, before)
        y = torch.randn(3, min(before, after), 8, 8, dtype=torch.float64).repeat(1, before // min(before, after), 1, 1)
        assert distance(back(y), network(y)) < 1e-13


def test_kept_as_it_was() -> None:
    for layout in (torch.channels_last, torch.contiguous_format):
        network = build(SMALL.but(in_channels=1)).to(torch.bfloat16).to(memory_format=layout).eval()
        network.get_parameter("conv1.weight").requires_grad_(False)
        weight = network.get_parameter("conv1.weight").clone()
        found: Any = in_channels(network, 3)
        assert found.conv1.weight.is_contiguous(memory_format=layout)
        assert found.conv1.weight.dtype == torch.bfloat16
        assert [n for n, p in found.named_parameters() if not p.requires_grad] == ["conv1.weight"]
        assert not found.training
        assert found.spec == SMALL
        assert torch.equal(network.get_parameter("conv1.weight"), weight)


def test_folded_networks_too() -> None:
    network = trained(SMALL, 8)
    steps = [Step("fold"), Step("in_channels", {"channels": 1})]
    assert proof(apply(network, steps[:1]), steps[1], 8).float64 <= 1e-10
    assert apply(on_meta(network), steps).get_parameter("conv1.weight").shape == (8, 1, 3, 3)


class Normalised(nn.Module):
    """A network that does something to its picture first."""

    def __init__(self, spec: Any, first: nn.Module) -> None:
        super().__init__()
        self.first, self.network, self.spec = first, build(spec), spec

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.network(self.first(x))
        return y


class Twice(nn.Module):
    """A convolution that reads the picture, and then what it made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(self.conv(x))
        return y


REFUSED: dict[str, tuple[nn.Module, Any, str]] = {
    "no multiple": (build(SMALL, device="meta"), 4, "give a multiple or a divisor of that, such as 1"),
    "no multiple of two": (build(SMALL.but(in_channels=2), device="meta"), 3, "in_channels = 3: the network has 2"),
    "the same": (build(SMALL, device="meta"), 3, "the network has this number already"),
    "none": (build(SMALL, device="meta"), 0, "in_channels = 0: give a whole number from 1"),
    "no number": (build(SMALL, device="meta"), "RGB", "in_channels = 'RGB': give a whole number"),
    "no description": (nn.Conv2d(3, 3, 1), 1, "this network has none"),
    "BN on the picture": (Normalised(SMALL, nn.BatchNorm2d(3)), 1, "first reads the picture and is not a convolution"),
    "in groups": (Normalised(SMALL, nn.Conv2d(3, 3, 1, groups=3)), 1, "first reads the picture"),
    "twice": (Normalised(SMALL, Twice()), 1, "first.conv reads more than the picture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    network, channels, message = REFUSED[case]
    with pytest.raises(RequestError, match=message) as error:
        in_channels(network, channels)
    assert len(error.value.findings) == 1


def test_number_of_cases() -> None:
    assert len(FAMILIES) == 25
    assert len(REFUSED) == 9
