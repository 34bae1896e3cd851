"""Attribution against captum's raw maps and against formulas by autograd; the user's network stays as it is."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch
from captum.attr import IntegratedGradients as TheirGradients
from captum.attr import LayerGradCam
from captum.attr import Occlusion as TheirOcclusion
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.explain.attribution import METHODS
from cardinet.explain.attribution import method as method_file
from cardinet.explain.attribution.integrated_gradients import integrated, logit_change
from cardinet.explain.attribution.method import layer_called, layers_of, map_sizes
from cardinet.explain.attribution.occlusion import occluded
from cardinet.networks.family import Named
from cardinet.networks.registry import NETWORKS, find
from explain.models import drawn, unchanged

SMALL: dict[str, dict[str, Any]] = {
    "resnet20_cifar": {"depths": (1, 1, 1), "widths": (4, 8, 8), "stem.width": 4},
    "densenet_40_12": {"depths": (2, 2, 2), "growth": 4, "stem_width": 8},
    "fractalnet20": {"widths": (4, 8), "dropout": (0, 0)},
    "googlenet": {"widths": (((4, 4, 8, 4, 4, 4),), ((8, 4, 8, 4, 4, 4),))},
    "seresnet18": {"depths": (1, 1, 1, 1), "widths": (8, 8, 8, 8), "stem.width": 8},
    "vgg11": {"depths": (1, 1), "widths": (4, 4)},
}
CLASSES = torch.tensor([2, 0, 4])


def made(name: str) -> tuple[Classifier, Tensor]:
    spec = find(name).spec.but(num_classes=5, **SMALL[name])
    return drawn(spec), torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def largest(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def test_how_many_families_there_are() -> None:
    assert len({find(name).family for name in SMALL}) == 6


@pytest.mark.parametrize("name", SMALL)
def test_grad_cam_is_captums_raw_map(name: str) -> None:
    network, x = made(name)
    layers = layers_of(network)
    assert len(layers) >= 2
    for layer, child in layers.items():
        theirs = LayerGradCam(network, network.get_submodule(child)).attribute(x, CLASSES)[:, 0]
        assert largest(METHODS["grad-cam"].maps(network, x, CLASSES, layer), theirs.detach()) < 1e-5


@pytest.mark.parametrize("name", SMALL)
def test_integrated_gradients_are_captums(name: str) -> None:
    network, x = made(name)
    theirs = TheirGradients(network).attribute(x, target=CLASSES, n_steps=50, method="gausslegendre")
    assert largest(integrated(network, x, CLASSES), theirs) < 1e-5
    maps = METHODS["integrated-gradients"].maps(network, x, CLASSES, "")
    assert largest(maps, theirs.sum(1).float()) < 1e-5


def test_integrated_gradients_add_up_to_the_change_of_the_logit() -> None:
    network, x = made("resnet20_cifar")
    found = integrated(network, x, CLASSES, steps=400)
    gaps = found.flatten(1).sum(1) - logit_change(network, x, CLASSES)
    assert float(gaps.abs().max()) < 0.02


@pytest.mark.parametrize(("side", "stride"), [(8, 8), (8, 4), (6, 5)])
def test_occlusion_is_captums(side: int, stride: int) -> None:
    network, x = made("resnet20_cifar")
    theirs = TheirOcclusion(network).attribute(x, (3, side, side), (3, stride, stride), target=CLASSES)[:, 0]
    assert largest(occluded(network, x, CLASSES, side, stride), theirs) < 1e-5


@pytest.mark.parametrize("layer", ["layer2", "layer3"])
def test_grad_cam_plus_plus_has_the_weights_of_the_paper(layer: str) -> None:
    """alpha from the second and third derivatives of exp(score), which are exp(score) g^2 and exp(score) g^3."""
    network, x = made("resnet20_cifar")
    found = METHODS["grad-cam++"].maps(network, x, CLASSES, layer)
    for i, target in enumerate(CLASSES.tolist()):
        a = network.maps(x[i : i + 1], [layer])[0].detach().requires_grad_()
        last = a if layer == "layer3" else network.get_submodule("layer3")(a.clone())
        y = network.forward_head(last)[0, target]
        (g,) = torch.autograd.grad(y, a)
        expected = torch.zeros(a.shape[2:])
        for k in range(a.shape[1]):
            second, third = y.exp() * g[0, k] ** 2, y.exp() * g[0, k] ** 3
            below = 2 * second + third * a[0, k].sum()
            alpha = torch.where(below != 0, second / below, 0.0)
            expected += ((alpha * (y.exp() * g[0, k]).relu()).sum() * a[0, k]).detach()
        assert largest(found[i] * float(y.detach().exp()), expected) < 1e-4


def test_grad_cam_plus_plus_agrees_with_derivatives_by_autograd() -> None:
    """The last map meets only a mean and a linear layer, so the derivatives of exp(score) are exact by autograd."""
    network, x = made("resnet20_cifar")
    network, x = network.double(), x.double()[:1]
    found = METHODS["grad-cam++"].maps(network, x, CLASSES[:1], "layer3")[0]
    a = network.maps(x, ["layer3"])[0].detach()
    expected = torch.zeros(a.shape[2:], dtype=torch.float64)
    for k, i, j in itertools.product(*map(range, a.shape[1:])):
        place = a[0, k, i, j].clone().requires_grad_()
        there = a.clone()
        there[0, k, i, j] = place
        y = network.forward_head(there)[0, int(CLASSES[0])].exp()
        (first,) = torch.autograd.grad(y, place, create_graph=True)
        (second,) = torch.autograd.grad(first, place, create_graph=True)
        (third,) = torch.autograd.grad(second, place)
        alpha = second / (2 * second + third * a[0, k].sum())
        expected += (alpha * first.relu() / y).detach() * a[0, k]
    assert largest(found, expected) < 1e-10


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("around", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_network_stays_as_it_is(method: str, around: Any, *, frozen: bool) -> None:
    """Also a frozen one, where gradients are switched off; pictures made in inference mode are taken too."""
    network, x = made("resnet20_cifar")
    expected = METHODS[method].maps(network, x, CLASSES, "layer3")
    network.requires_grad_(not frozen)
    with unchanged(network), around():
        pixels, classes = x.clone(), CLASSES.clone()
        found = METHODS[method].maps(network, pixels, classes, "layer3")
        assert torch.equal(pixels, x)
    assert found.dim() == 3
    assert not found.requires_grad
    assert float(found.abs().max()) > 0
    assert torch.equal(found, expected)


@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_maps_do_not_depend_on_what_is_computed_at_once(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = made("resnet20_cifar")
    many = METHODS[method].maps(network, x, CLASSES, "")
    passed: list[int] = []
    monkeypatch.setattr(method_file, "PIXELS_AT_ONCE", 32 * 32 * 7)
    seen = network.get_submodule("conv1").register_forward_pre_hook(lambda module, args: passed.append(len(args[0])))
    assert largest(METHODS[method].maps(network, x, CLASSES, ""), many) < 1e-5
    seen.remove()
    assert max(passed) == 6  # two copies of the three pictures


def has_a_map(row: Named) -> None:
    """Without values: the last layer has a map of more than one place, of the size that is said."""
    network = build(row.spec, device="meta").eval()
    x = torch.empty(2, network.spec.in_channels, row.input_size, row.input_size, device="meta")
    layer, sizes = layer_called(network, None, x), map_sizes(network, x)
    assert len(sizes) == len(layers_of(network)) > 1
    found = METHODS["grad-cam"].maps(network, x, torch.zeros(2, dtype=torch.int64, device="meta"), layer)
    assert tuple(found.shape) == (2, *sizes[layer])
    assert found.shape[1] > 1


def test_every_topology_has_layers_with_maps() -> None:
    """The network with the fewest layers by its name, of each class of description."""
    rows: dict[type, Named] = {}
    for row in sorted(NETWORKS.values(), key=lambda row: [int(digits) for digits in re.findall(r"\d+", row.id)]):
        rows.setdefault(type(row.spec), row)
    assert len(rows) == 11
    for row in rows.values():
        has_a_map(row)


@pytest.mark.long
def test_every_network_has_layers_with_maps() -> None:
    for row in NETWORKS.values():
        has_a_map(row)
    assert len(NETWORKS) >= 176


def test_layers_are_called_by_name() -> None:
    network, x = made("resnet20_cifar")
    assert list(layers_of(network)) == ["stem", "layer1", "layer2", "layer3"]
    assert layer_called(network, None, x) == "layer3"
    assert layer_called(network, "layer1", x) == "layer1"
    assert layer_called(network, None, x[:, :, :4, :4]) == "layer2"  # the last map has one place
    with pytest.raises(RequestError, match="stem, layer1, layer2, layer3"):
        layer_called(network, "body", x)


def test_two_streams_are_one_map_with_the_channels_of_both() -> None:
    """Before the streams are concatenated the map is that of their concatenation."""
    network = drawn(find("dfn_mr1").spec.but(depths=(1, 1, 1), widths=(4, 8, 8), join="concatenate", num_classes=5))
    x = torch.randn(3, 3, 32, 32)
    theirs = LayerGradCam(network, network.get_submodule("join")).attribute(x, CLASSES)[:, 0]
    assert largest(METHODS["grad-cam"].maps(network, x, CLASSES, "layer3"), theirs.detach()) < 1e-5
    assert METHODS["grad-cam"].maps(network, x, CLASSES, "layer2").shape == (3, 16, 16)
