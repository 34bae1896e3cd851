"""Weights for other programs: their own networks load them strictly and compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

import cardinet
from breadth import breadth
from cardinet.base.errors import RequestError, WorkError
from networks.peers import peer
from weights.drawn import TINY, drawn, same_tensors

PAIRS = {
    "torchvision:resnet18": "resnet18",
    "timm:resnet18": "resnet18",
    "pytorchcv:resnet18": "resnet18",
    "torchvision:resnext50_32x4d": "resnext50_32x4d",
    "torchvision:densenet121": "densenet121",
    "timm:resnetv2_18": "resnetv2_18",
    "timm:legacy_seresnet50": "seresnet50",
}


@pytest.mark.parametrize("suffix", breadth(["safetensors", "pth"], "pth"))
@pytest.mark.parametrize("name", PAIRS)
def test_the_librarys_own_network_loads_them(name: str, suffix: str, tmp_path: Path) -> None:
    library, _, theirs = name.partition(":")
    network = drawn(PAIRS[name])
    path = tmp_path / f"a.{suffix}"
    cardinet.save_weights(network, path, names=library)
    state = safetensors.torch.load_file(path) if suffix == "safetensors" else torch.load(path, weights_only=True)
    reference = peer(library, theirs).eval()
    reference.load_state_dict(state, strict=True)
    side = 224 if "vgg" in name else 64
    x = torch.randn(1, 3, side, side)
    with torch.no_grad():
        expected = reference(x)
        assert (network(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
    again = cardinet.create(PAIRS[name])
    cardinet.load_weights(again, path)
    assert same_tensors(again, network)


def test_another_depth_and_number_of_classes_has_names_too(tmp_path: Path) -> None:
    network = drawn("resnet18", depths=(1, 1, 1, 1), num_classes=3)
    cardinet.save_weights(network, tmp_path / "a.pth", names="pytorchcv")
    assert "features.stage4.unit1.body.conv2.bn.weight" in torch.load(tmp_path / "a.pth", weights_only=True)


def test_what_is_refused(tmp_path: Path) -> None:
    network = drawn("resnet20_cifar", **TINY)
    with pytest.raises(RequestError, match=r'names = "torchvison" is unknown \(nearest: torchvision'):
        cardinet.save_weights(network, tmp_path / "a.pth", names="torchvison")
    with pytest.raises(RequestError, match=r"timm has no names for a network of this kind; use cardinet, pytorchcv\."):
        cardinet.save_weights(network, tmp_path / "a.pth", names="timm")
    with pytest.raises(RequestError, match=r"a\.onnx: end the name with one of \.safetensors, \.pth"):
        cardinet.save_weights(network, tmp_path / "a.onnx")
    with pytest.raises(WorkError, match="could not be written"):
        cardinet.save_weights(network, tmp_path / "nothere" / "a.pth")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("network", "library", "field"),
    [
        ("seresnet18", "timm", "order.last"),
        ("plain18", "torchvision", "shortcut.kind"),
        ("resnet20_cifar", "pytorchcv", "shortcut.kind"),
        ("sd152_imagenet", "pytorchcv", "merge"),
    ],
)
def test_a_library_that_has_another_network_has_no_names_for_it(
    network: str, library: str, field: str, tmp_path: Path
) -> None:
    made = cardinet.create(network, device="meta")
    with pytest.raises(RequestError, match=rf"{library} has no such network; the nearest is .*{field} is "):
        cardinet.save_weights(made, tmp_path / "a.pth", names=library)
    assert list(tmp_path.iterdir()) == []


def test_the_place_of_the_stride_chooses_the_librarys_network(tmp_path: Path) -> None:
    first = cardinet.create("resnet50", stride_at=0, depths=(1, 1, 1, 1))
    with pytest.raises(RequestError, match=r"transform\.stride_at is 1 instead of 0"):
        cardinet.save_weights(first, tmp_path / "a.pth", names="torchvision")
    cardinet.save_weights(first, tmp_path / "a.pth", names="pytorchcv")
