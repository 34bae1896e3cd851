"""One seed gives torchvision's network, bit for bit: names, initial weights and logits; and timm's, by its weights."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from cardinet.build.builder import build
from cardinet.networks.registry import find

pytestmark = pytest.mark.long

NAMES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)
PIXELS = torch.randn(2, 3, 33, 33, generator=torch.Generator().manual_seed(1)).to(memory_format=torch.channels_last)


def logits(network: nn.Module, training: bool) -> Tensor:
    with torch.no_grad():
        found: Tensor = network.train(training)(PIXELS)
    return found


def same(name: str, num_classes: int) -> bool:
    """Both networks after seed 0: equal state, equal logits in eval and in train mode, equal BN statistics after it."""
    torch.manual_seed(0)
    ours = build(find(name).spec.but(num_classes=num_classes))
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, num_classes=num_classes).to(memory_format=torch.channels_last)
    equal = [list(ours.state_dict()) == list(theirs.state_dict())]
    for training in (False, True):
        state = theirs.state_dict()
        equal += [torch.equal(tensor, state[key]) for key, tensor in ours.state_dict().items()]
        equal.append(torch.equal(logits(ours, training), logits(theirs, training)))
    equal.append(torch.equal(ours.get_buffer("bn1.running_var"), theirs.get_buffer("bn1.running_var")))
    return all(equal)


def test_ten_networks_are_torchvisions() -> None:
    checked = [name for name in NAMES if same(name, 1000)]
    assert checked == list(NAMES)
    assert len(checked) == 10


def test_other_numbers_of_classes() -> None:
    assert same("resnet18", 7)
    assert same("resnext50_32x4d", 1)


def test_paper_initialisation_changes_only_the_bias_of_the_classifier() -> None:
    states = []
    for init in ("torchvision", "paper"):
        torch.manual_seed(0)
        states.append(build(find("resnet20_cifar").spec, init=init).state_dict())
    different = [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])]
    assert different == ["fc.bias"]
    assert not states[1]["fc.bias"].any()


def test_timms_resnet200_is_our_post_activation_one() -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("resnet200", pretrained=False).to(memory_format=torch.channels_last)
    ours = build(find("resnet200").spec, device="meta")
    ours.load_state_dict(theirs.state_dict(), assign=True)
    assert find("resnet200").id == "resnet200_postact"
    for training in (False, True):
        expected = logits(theirs, training)
        assert (logits(ours, training) - expected).abs().max() <= 1e-5 * expected.abs().max()
