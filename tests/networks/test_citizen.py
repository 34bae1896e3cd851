"""Networks of every family as torch modules: trained, compiled, exported, traced, copied, called and differentiated.

All networks go through the same checks in `proofs/every_network.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

import cardinet
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.networks.registry import NETWORKS, find
from networks.citizen import CHECKS, Subject, subject

pytestmark = pytest.mark.long

SMALL: dict[str, dict[str, Any]] = {
    "alexnet_owt": {"widths": (4, 4, 4, 4, 4)},
    "densenet_bc_100_12": {"depths": (1, 2, 1)},
    "dfn_mr1": {"depths": (1, 2), "widths": (16, 32)},
    "fractalnet20": {"columns": 2, "widths": (8, 16), "dropout": (0.0, 0.0)},
    "fractalnet20_droppath": {"columns": 2, "widths": (8, 16), "dropout": (0.1, 0.4)},
    "fusenet_fuse3_26": {"depths": (1, 1), "widths": (16, 32)},
    "googlenet": {"widths": find("googlenet").spec.widths[:1]},
    "highway10_mnist": {},
    "inception_v3": {"stages": (find("inception_v3").spec.stages[0][:1],)},
    "multiresnet26_w10_k2": {"depths": (1, 1), "widths": (16, 32)},
    "plain20_cifar": {"depths": (1, 1), "widths": (16, 32)},
    "pre_ror3_164_sd": {"depths": (1, 2, 1)},
    "preact164_cifar": {"depths": (1, 2), "widths": (16, 32)},
    "repvgg_a0": {"depths": (1, 2, 2, 1)},
    "resnest14d": {"depths": (1, 1), "widths": (64, 128)},
    "resnet18": {"depths": (1, 2), "widths": (16, 32)},
    "resnet20_cifar": {"depths": (1, 2, 1)},
    "resnext29_8x64d": {"depths": (1, 1), "widths": (64, 128)},
    "resrep_resnet56": {"depths": (1, 2), "widths": (16, 32)},
    "sd110_cifar": {"depths": (2, 2), "widths": (16, 32)},
    "se_resnet_110_cifar": {"depths": (1, 2), "widths": (16, 32)},
    "sknet29_cifar": {"depths": (1, 1), "widths": (64, 128)},
    "swapout20_w4": {"depths": (1, 1), "widths": (64, 128)},
    "vgg16": {"depths": (1, 2), "widths": (4, 4)},
    "wrn16_4": {"depths": (1, 1), "widths": (64, 128)},
}
"""A small network of every family, some with fewer units."""

IN_SHORT = [name for name in CHECKS if name not in ("info", "inductor")]


def of(id: str) -> Subject:
    row = find(id)
    return subject(row, row.spec.but(**SMALL[id]))


def shortest(id: str) -> Subject:
    """The same with one unit a stage, for what takes seconds a unit."""
    row = find(id)
    depths = SMALL[id].get("depths", ())
    return subject(row, row.spec.but(**SMALL[id] | ({"depths": (1,) * len(depths)} if depths else {})))


def test_every_family_is_there() -> None:
    assert {find(id).family for id in SMALL} == {row.family for row in NETWORKS.values()}
    assert len(SMALL) == 25
    assert len(IN_SHORT) == 13


@pytest.mark.parametrize("id", SMALL)
def test_every_check(id: str) -> None:
    it = shortest(id)
    found = {name: CHECKS[name](it) for name in IN_SHORT}
    skips = id in ("fractalnet20_droppath", "pre_ror3_164_sd", "sd110_cifar")
    assert (found["compile train"] == "skips") == skips
    assert (found["backbone"] == "no") == (id == "dfn_mr1")


def outputs(network: Classifier | timm.models.ResNet) -> int:
    classifier = network.get_classifier()
    assert isinstance(classifier, nn.Linear)
    return classifier.out_features


def test_conventions_give_what_timms_own_resnet_gives() -> None:
    theirs, ours = timm.create_model("resnet50").eval(), cardinet.create("resnet50").eval()
    assert isinstance(theirs, timm.models.ResNet)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for network in (theirs, ours):
            assert network.num_features == network.head_hidden_size == 2048
            assert network.num_classes == outputs(network) == 1000
        last, expected = ours.forward_features(x), theirs.forward_features(x)
        assert torch.allclose(last, expected, rtol=1e-4, atol=1e-5)
        pooled = theirs.forward_head(expected, pre_logits=True)
        assert torch.allclose(ours.forward_head(last, pre_logits=True), pooled, rtol=1e-4, atol=1e-5)
        assert torch.allclose(ours.forward_head(last), theirs(x), rtol=1e-4, atol=1e-5)
        for network in (theirs, ours):
            network.reset_classifier(0)
            assert network.num_classes == 0
            assert torch.allclose(network(x), pooled, rtol=1e-4, atol=1e-5)
            network.reset_classifier(7, "avg")
            assert network.num_classes == outputs(network) == 7
            assert network(x).shape == (2, 7)


def test_a_new_classifier_stands_where_the_network_does() -> None:
    network = cardinet.create("vgg16", device="meta").double().eval()
    network.reset_classifier(3)
    assert network.fc.weight.is_meta
    assert network.fc.weight.dtype == torch.float64
    assert not network.fc.training


def test_refusals_of_a_new_classifier_change_nothing() -> None:
    network = cardinet.create("resnet20_cifar")
    spec, classifier = network.spec, network.fc
    with pytest.raises(RequestError, match="num_classes"):
        network.reset_classifier(-1)
    with pytest.raises(RequestError, match='global_pool = "max": only "avg" is supported'):
        network.reset_classifier(5, "max")
    assert network.spec == spec
    assert network.fc is classifier
    assert network.num_classes == 10
