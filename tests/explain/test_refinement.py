"""Distances to the end of a stage, against a computation by hand, and where the question has no meaning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.explain.estimates import distances
from cardinet.explain.job import explain_model
from cardinet.explain.questions.refinement import Refinement
from cardinet.networks.registry import find
from explain.models import classifier, unchanged


def small(name: str) -> Classifier:
    torch.manual_seed(0)
    return build(find(name).spec.but(depths=(3, 2, 1), widths=(4, 8, 8), **{"stem.width": 4})).eval()


def test_distances_are_those_of_the_units_own_outputs() -> None:
    network = small("resnet20_cifar")
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
    with unchanged(network):
        found = {one.unit: one for one in distances(network, [x[:4], x[4:]])}
    assert list(found) == ["layer1.0", "layer1.1", "layer2.0"]
    for name, end in (("layer1.0", "layer1.2"), ("layer1.1", "layer1.2"), ("layer2.0", "layer2.1")):
        scale = outputs[end].double().std(correction=0)
        difference = (outputs[name] - outputs[end]).double()
        assert found[name].mean == pytest.approx(float(difference.mean() / scale), abs=1e-6)
        assert found[name].spread == pytest.approx(float(difference.std(correction=0) / scale), rel=1e-6)


def test_units_that_add_nothing_have_no_distance() -> None:
    network = small("resnet20_cifar")
    for name, module in network.named_modules():
        if name.endswith("bn2"):
            assert isinstance(module, nn.BatchNorm2d)
            nn.init.zeros_(module.weight)
    found = distances(network, [torch.randn(4, 3, 16, 16)])
    assert [(one.unit, one.mean, one.spread) for one in found] == [
        ("layer1.0", 0, 0),
        ("layer1.1", 0, 0),
        ("layer2.0", 0, 0),
    ]


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_stage_with_a_constant_end_is_refused(value: float) -> None:
    network = small("resnet20_cifar")
    nn.init.constant_(network.get_parameter("conv1.weight"), value)
    with pytest.raises(WorkError, match="outputs at the end of layer1 have the standard deviation"):
        distances(network, [torch.randn(4, 3, 16, 16)])


def test_the_end_of_a_stage_with_a_shortcut_of_its_own_is_behind_it() -> None:
    network = small("ror3_56")
    x = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        y = x
        for child in network.body_names[: network.body_names.index("layer1")]:
            y = network.get_submodule(child)(y)
        end = network.get_submodule("layer1")(y.clone()).double()
        last = network.get_submodule("layer1.units")(y.clone()).double()
    found = {one.unit: one for one in distances(network, [x])}
    expected = (last - end).std(correction=0) / end.std(correction=0)
    assert found["layer1.units.2"].spread == pytest.approx(float(expected), rel=1e-6)


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
