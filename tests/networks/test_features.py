"""The network as a chain of named children, and its named intermediates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter

from cardinet.networks.builder import build
from cardinet.networks.registry import find

CASES = {
    "resnet18": ("conv1 bn1 relu maxpool layer1 layer2 layer3 layer4 avgpool fc", 3, 64),
    "resnext11_8x16d_digits": ("conv1 bn1 relu layer1 layer2 layer3 avgpool fc", 1, 8),
    "resnet20_cifar": ("conv1 bn1 relu layer1 layer2 layer3 avgpool fc", 3, 32),
}


def test_number_of_cases() -> None:
    assert len(CASES) == 3


@pytest.mark.parametrize("id", CASES)
def test_features_are_the_children_run_one_by_one(id: str) -> None:
    names, channels, size = CASES[id]
    torch.manual_seed(0)
    network = build(find(id).spec).eval()
    assert [name for name, _ in network.named_children()] == names.split()
    x = torch.randn(2, channels, size, size)
    expected: dict[str, Tensor] = {}
    with torch.no_grad():
        found = network.features(x)
        logits = network(x)
        h = x
        for name in names.split():
            if name == "fc":
                expected["pooled"] = h = h.flatten(1)
            h = getattr(network, name)(h)
            if name == ("maxpool" if "maxpool" in names else "relu"):
                expected["stem"] = h.clone()
            elif name.startswith("layer"):
                expected[name] = h.clone()
        expected["logits"] = h
    assert sorted(found) == sorted(expected)
    assert next(iter(found)) == "stem"
    assert list(found)[-2:] == ["pooled", "logits"]
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert torch.equal(found["logits"], logits)


def test_features_carry_gradients() -> None:
    network = build(find("resnet20_cifar").spec)
    found = network.features(torch.randn(2, 3, 16, 16))
    for tensor in found.values():
        tensor.retain_grad()
    found["logits"].sum().backward()
    assert all(tensor.grad is not None for tensor in found.values())


def test_direct_children_run_as_a_chain() -> None:
    """As a detection backbone runs them (torchvision's getter), and as `nn.Sequential` does up to the classifier."""
    network = build(find("resnet18").spec).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        features = network.features(x)
        chained = nn.Sequential(*list(network.children())[:-1])(x)
        got = IntermediateLayerGetter(network, {"layer2": "a", "layer4": "b"})(x)
    assert torch.equal(chained.flatten(1), features["pooled"])
    assert torch.equal(got["a"], features["layer2"])
    assert torch.equal(got["b"], features["layer4"])


def test_layout_device_and_description() -> None:
    spec = find("resnet50").spec
    network = build(spec, device="meta")
    assert network.spec is spec
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    small = build(find("resnet20_cifar").spec)
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in small.parameters() if p.dim() == 4)
