"""Distances to the end of a stage, against a computation by hand, and where the question has no meaning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cardinet.build.builder import build
from cardinet.explain.estimates import distances
from cardinet.explain.job import explain_model
from cardinet.explain.questions.refinement import Refinement
from cardinet.networks.registry import find
from explain.models import classifier


def test_distances_are_those_of_the_units_own_outputs() -> None:
    torch.manual_seed(0)
    network = build(find("resnet20_cifar").spec.but(depths=(3, 2, 1), widths=(4, 8, 8), **{"stem.width": 4})).eval()
    x = torch.randn(6, 3, 16, 16)
    outputs: dict[str, Tensor] = {}
    handles = [
        network.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: outputs.update({name: o.clone()}))
        for name in ("layer1.0", "layer1.1", "layer1.2", "layer2.0", "layer2.1")
    ]
    with torch.no_grad():
        network(x)
    for handle in handles:
        handle.remove()
    found = {one.unit: one for one in distances(network, [x[:4], x[4:]])}
    assert list(found) == ["layer1.0", "layer1.1", "layer2.0"]
    for name, end in (("layer1.0", "layer1.2"), ("layer1.1", "layer1.2"), ("layer2.0", "layer2.1")):
        scale = outputs[end].double().std(correction=0)
        difference = (outputs[name] - outputs[end]).double()
        assert found[name].mean == pytest.approx(float(difference.mean() / scale), abs=1e-6)
        assert found[name].spread == pytest.approx(float(difference.std(correction=0) / scale), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "has_meaning"),
    [
        ("resnet20_cifar", True),
        ("plain20_cifar", True),
        ("dfn_mr1", True),
        ("highway19_cifar10", True),
        ("ror3_56", True),
        ("inception_v3", True),
        ("densenet_40_12", False),
        ("fractalnet20", False),
        ("vgg16", False),
    ],
)
def test_which_networks_have_units_of_one_shape(name: str, has_meaning: bool) -> None:
    network = build(find(name).spec, device="meta")
    assert (not Refinement().problems(network)) == has_meaning


def test_an_answer_has_every_unit_and_is_the_same_again() -> None:
    first, again = (explain_model("refinement", classifier(), "digits", pictures=50) for _ in range(2))
    assert first.document == again.document
    assert first.document["pictures"] == 50
