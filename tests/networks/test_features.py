"""The network as a chain of named children, its named intermediates, and the network as a backbone."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN

import cardinet
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
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


GETTER = {
    "densenet_bc_100_12": ("conv1 layer1 layer2 relu_last", 16),
    "fusenet_plain26": ("relu layer1 layer2 layer3", 16),
    "googlenet": ("stem layer1 layer2 layer3", 64),
    "preact110_cifar": ("conv1 layer1 layer2 closing_relu", 16),
    "repvgg_a0": ("stage0 layer1 layer2 layer3 layer4", 64),
    "resnest14d": ("maxpool layer1 layer2 layer3 layer4", 64),
    "seresnet18": ("maxpool layer1 layer2 layer3 layer4", 64),
    "vgg16": ("pool1 pool2 pool3 pool4 pool5", 32),
}
"""The children whose outputs are the feature maps, and the side of a picture."""


@pytest.mark.parametrize("id", GETTER)
def test_maps_are_what_torchvisions_getter_finds(id: str) -> None:
    children, size = GETTER[id]
    torch.manual_seed(0)
    network = build(find(id).spec).eval()
    x = torch.randn(1, 3, size, size)
    with torch.no_grad():
        got = IntermediateLayerGetter(network, {child: child for child in children.split()})(x)
        expected = {child: tensor.clone() for child, tensor in got.items()}
        found = network.features(x)
    assert [tap.child for tap in network.taps] == list(expected) == children.split()
    assert all(torch.equal(found[tap.name], expected[tap.child]) for tap in network.taps)


def test_features_only_gives_the_chosen_maps() -> None:
    torch.manual_seed(0)
    network = cardinet.create("resnet18")
    torch.manual_seed(0)
    chosen = cardinet.create("resnet18", features_only=True, out_indices=(1, -2))
    assert " ".join(dict(chosen.named_children())) == "conv1 bn1 relu maxpool layer1 layer2 layer3"
    assert chosen.spec == network.spec
    x = torch.randn(2, 3, 64, 64)
    expected = network.features(x)
    first, second = chosen(x)
    assert torch.equal(first, expected["layer1"])
    assert torch.equal(second, expected["layer3"])
    (first.mean() + second.mean()).backward()
    assert all(parameter.grad is not None for parameter in chosen.parameters())


def test_feature_info_is_timms() -> None:
    """timm's maps start in front of the max pool, ours behind it; the stages are the same."""
    theirs = timm.create_model("resnet50", features_only=True, out_indices=(1, -1)).eval()
    assert isinstance(theirs, timm.models.FeatureListNet)
    ours = cardinet.create("resnet50", features_only=True, out_indices=(1, -1)).eval()
    assert ours.feature_info.out_indices == (1, 4)
    assert ours.feature_info.channels() == theirs.feature_info.channels() == [256, 2048]
    assert ours.feature_info.reduction() == theirs.feature_info.reduction() == [4, 32]
    assert ours.feature_info.module_name() == theirs.feature_info.module_name() == ["layer1", "layer4"]
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for found, expected in zip(ours(x), theirs(x), strict=True):
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_maps_come_in_the_order_of_the_indices() -> None:
    network = cardinet.create("resnet20_cifar", features_only=True, out_indices=(3, 0))
    assert (
        network.feature_info.channels() == [64, 16] == [tensor.shape[1] for tensor in network(torch.randn(1, 3, 8, 8))]
    )


def test_the_shortcut_around_the_network_belongs_to_its_last_map_alone() -> None:
    torch.manual_seed(0)
    network = build(find("ror3_56").spec).eval()
    x = torch.randn(2, 3, 16, 16)
    for indices, root in (((0, 3), True), ((1, 2), False)):
        torch.manual_seed(0)
        chosen = cardinet.create("ror3_56", features_only=True, out_indices=indices).eval()
        assert hasattr(chosen, "root") == root
        maps = list(network.features(x).values())
        for index, found in zip(indices, chosen(x), strict=True):
            assert torch.equal(found, maps[index])


def test_what_has_no_such_maps_says_so() -> None:
    def refused(id: str, **settings: Any) -> str:
        with pytest.raises(RequestError) as error:
            cardinet.create(id, device="meta", **settings)
        return str(error.value)

    known = "there are 4 maps; give indices from 0 to 3, or from -4 to -1, each once."
    assert refused("resnet20_cifar", features_only=True, out_indices=(0, 4, -5)) == f"out_indices = [4, -5]: {known}"
    assert refused("resnet20_cifar", features_only=True, out_indices=()) == f"out_indices = none: {known}"
    assert refused("resnet20_cifar", features_only=True, out_indices=(3, -1)) == (
        f"out_indices = (3, -1): an index is given twice; {known}"
    )
    assert "A merge-and-run network passes two maps" in refused("dfn_mr1", features_only=True)
    assert refused("resnet20_cifar", out_indices=(1,)) == (
        "out_indices chooses feature maps; give features_only=True with it."
    )


DETECTORS = {"resnet18": {}, "densenet121": {"depths": (2, 2, 2, 2)}, "repvgg_a0": {"depths": (1, 1, 1, 1)}}


@pytest.mark.parametrize("id", DETECTORS)
def test_torchvisions_detector_trains_and_detects(id: str) -> None:
    torch.manual_seed(0)
    network = build(find(id).spec.but(**DETECTORS[id]))
    maps = network.taps[1:]
    children = {tap.child: str(i) for i, tap in enumerate(maps)}
    backbone = BackboneWithFPN(network, children, [tap.channels for tap in maps], out_channels=16)
    detector = FasterRCNN(backbone, num_classes=3, min_size=64, max_size=96, rpn_pre_nms_top_n_train=20)
    pictures = [torch.rand(3, 64, 64), torch.rand(3, 60, 80)]
    boxes = torch.tensor([[4.0, 4.0, 30.0, 40.0]])
    losses = detector(pictures, [{"boxes": boxes, "labels": torch.tensor([label])} for label in (1, 2)])
    total = sum(losses.values())
    assert len(losses) == 4
    assert total.isfinite()
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in backbone.parameters())
    with torch.no_grad():
        found = detector.eval()(pictures)
    assert [sorted(one) for one in found] == [["boxes", "labels", "scores"]] * 2


def test_numbers_of_backbones() -> None:
    assert len(GETTER) == 8
    assert len(DETECTORS) == 3
