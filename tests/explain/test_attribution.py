"""Attribution against captum's raw maps and against formulas by autograd; the user's network stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from captum.attr import IntegratedGradients as TheirGradients
from captum.attr import LayerGradCam
from captum.attr import Occlusion as TheirOcclusion
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.explain.attribution import METHODS
from cardinet.explain.attribution.integrated_gradients import completeness_gap, integrated
from cardinet.explain.attribution.method import stage_called, stages
from cardinet.explain.attribution.occlusion import occluded
from cardinet.networks.registry import find
from explain.models import drawn

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet20_cifar": {"depths": (1, 1, 1), "widths": (4, 8, 8), "stem.width": 4},
    "densenet_40_12": {"depths": (2, 2, 2), "growth": 4, "stem_width": 8},
    "fractalnet20": {"widths": (4, 8), "dropout": (0, 0)},
    "googlenet": {"widths": (((4, 4, 8, 4, 4, 4),), ((8, 4, 8, 4, 4, 4),))},
    "seresnet18": {"depths": (1, 1, 1, 1), "widths": (8, 8, 8, 8), "stem.width": 8},
}
CLASSES = torch.tensor([2, 0, 4])


def made(name: str) -> tuple[Classifier, Tensor]:
    spec = find(name).spec.but(num_classes=5, **NETWORKS[name])
    return drawn(spec), torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def largest(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def test_how_many_families_there_are() -> None:
    assert len({find(name).family for name in NETWORKS}) == 5


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_is_captums_raw_map(name: str) -> None:
    network, x = made(name)
    for stage in stages(network):
        theirs = LayerGradCam(network, network.get_submodule(stage)).attribute(x, CLASSES)[:, 0]
        assert largest(METHODS["grad-cam"].maps(network, x, CLASSES, stage), theirs.detach()) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_integrated_gradients_are_captums(name: str) -> None:
    network, x = made(name)
    theirs = TheirGradients(network).attribute(x, target=CLASSES, n_steps=50, method="gausslegendre")
    assert largest(integrated(network, x, CLASSES), theirs) < 1e-5
    maps = METHODS["integrated-gradients"].maps(network, x, CLASSES, "")
    assert largest(maps, theirs.sum(1).float()) < 1e-5


def test_integrated_gradients_add_up_to_the_change_of_the_logit() -> None:
    network, x = made("resnet20_cifar")
    found = integrated(network, x, CLASSES, steps=400)
    assert float(completeness_gap(network, x, CLASSES, found).abs().max()) < 0.02


@pytest.mark.parametrize(("side", "stride"), [(8, 8), (8, 4), (6, 5)])
def test_occlusion_is_captums(side: int, stride: int) -> None:
    network, x = made("resnet20_cifar")
    theirs = TheirOcclusion(network).attribute(x, (3, side, side), (3, stride, stride), target=CLASSES)[:, 0]
    assert largest(occluded(network, x, CLASSES, side, stride), theirs) < 1e-5


def test_grad_cam_plus_plus_has_the_weights_of_the_paper() -> None:
    """alpha from the second and third derivatives of exp(score), which are exp(score) g^2 and exp(score) g^3."""
    network, x = made("resnet20_cifar")
    found = METHODS["grad-cam++"].maps(network, x, CLASSES, "layer2")
    for i, target in enumerate(CLASSES.tolist()):
        a = network.maps(x[i : i + 1], ["layer2"])[0].detach().requires_grad_()
        y = network.forward_head(network.get_submodule("layer3")(a.clone()))[0, target]
        (g,) = torch.autograd.grad(y, a)
        expected = torch.zeros(a.shape[2:])
        for k in range(a.shape[1]):
            second, third = y.exp() * g[0, k] ** 2, y.exp() * g[0, k] ** 3
            below = 2 * second + third * a[0, k].sum()
            alpha = torch.where(below != 0, second / below, 0.0)
            expected += ((alpha * (y.exp() * g[0, k]).relu()).sum() * a[0, k]).detach()
        assert largest(found[i] * float(y.detach().exp()), expected) < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_the_network_stays_as_it_is(method: str) -> None:
    network, x = made("resnet20_cifar")
    network.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        found = METHODS[method].maps(network, x, CLASSES, "layer3")
    assert found.dim() == 3
    assert not found.requires_grad
    assert float(found.abs().max()) > 0
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_every_named_network_has_a_stage() -> None:
    network, _ = made("resnet20_cifar")
    assert stages(network) == ["layer1", "layer2", "layer3"]
    assert stage_called(network, None) == "layer3"
    with pytest.raises(RequestError, match="layer1, layer2, layer3"):
        stage_called(network, "body")
    two_streams = drawn(find("dfn_mr1").spec.but(depths=(1, 1, 1), widths=(4, 8, 8)))
    x = torch.randn(3, 3, 32, 32)
    assert METHODS["grad-cam"].maps(two_streams, x, CLASSES, "layer2").shape == (3, 16, 16)
