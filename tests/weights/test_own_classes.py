"""The names of the classes of weights, for pictures without classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import AlexNet_Weights

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.data.loose_pictures import loose_source
from cardinet.networks.registry import find
from cardinet.train.pretrained import prepared
from cardinet.weights.contents import Weights
from cardinet.weights.own_classes import own_classes
from data.pictures import noise

SPEC = find("resnet20_cifar").spec.but(depths=(1, 1, 1), widths=(4, 8, 8), width=4)
EMPTY = build(SPEC.but(num_classes=3), device="meta")


def weights(source: str, rows: int, classes: tuple[str, ...] = ()) -> Weights:
    return Weights(source, build(SPEC.but(num_classes=rows)).state_dict(), classes=classes)


def test_classes_have_the_names_of_the_weights() -> None:
    assert own_classes(EMPTY, weights("x.safetensors", 2, ("ant", "bee"))) == (("ant", "bee"), "")


def test_classes_without_names_are_called_by_their_rows() -> None:
    names, said = own_classes(EMPTY, weights("x.pth", 4))
    assert names == ("class 0", "class 1", "class 2", "class 3")
    assert said == "x.pth does not name its 4 classes; they are called by the rows of its classifier."
    assert own_classes(EMPTY, weights("x.pth", 1000))[0][999] == "class 999"


def test_the_thousand_classes_of_a_library_are_imagenets() -> None:
    names, said = own_classes(EMPTY, weights("timm:resnet18", 1000))
    assert len(set(names)) == 1000
    assert list(names) == AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    assert (names[0], names[134], names[517]) == ("tench", "crane bird", "crane")
    assert "torchvision's names of ImageNet" in said


def test_weights_without_a_classifier_answer_nothing() -> None:
    tensors = {name: value for name, value in weights("x.pth", 3).tensors.items() if not name.startswith("fc.")}
    with pytest.raises(RequestError, match=r"^x\.pth has no classifier"):
        own_classes(EMPTY, Weights("x.pth", tensors))


def test_a_network_of_weights_for_loose_pictures_has_their_classifier(tmp_path: Path) -> None:
    noise(40, 36).save(tmp_path / "a.png")
    network = build(SPEC.but(num_classes=6)).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    words = ("depths=1,1,1", "widths=4,8,8", "stem.width=4", "shortcut.pad=end")
    make = prepared("cpu", network="resnet20_cifar", weights=str(tmp_path / "w.pth"), words=words)
    model, said = make(loose_source([str(tmp_path / "a.png")], 10**6))
    assert model.classes == tuple(f"class {i}" for i in range(6))
    assert any("does not name its 6 classes" in sentence for sentence in said)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(model.network(x), network(x))
