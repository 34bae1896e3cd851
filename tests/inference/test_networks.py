"""Whole networks by Cardinet's own kernels: against the network itself in float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from breadth import breadth
from cardinet import create
from cardinet.base.errors import RequestError, WorkError
from cardinet.inference.network import Precision, prepare
from cardinet.inference.plan import Work, maps_of
from cardinet.inference.steps import Step, steps_of
from cardinet.ops import forward as room
from cardinet.ops.compiled import CannotCompile
from inference.by_torch import values_of

NETWORKS = [
    ("resnet18", 65),
    ("resnext50_32x4d", 64),
    ("resnet20_cifar", 32),
    ("wrn16_4", 20),
    ("preact110_cifar", 32),
    ("resnetv2_18", 64),
    ("repvgg_a0", 64),
    ("resnext29_8x64d", 32),
    ("multiresnet26_w10_k2", 32),
    ("sd110_cifar", 32),
    ("ror3_56", 32),
    ("resrep_resnet56", 32),
    ("dfn_il1", 32),
    ("fusenet_plain26", 64),
    ("vgg16", 64),
    ("alexnet_owt", 224),
    ("resnet50", 224),
    ("resnext101_32x4d", 97),
]
LONG = NETWORKS[:2] + NETWORKS[4:]

REFUSED = {"seresnet18": "sigmoid", "densenet_40_12": "cat", "highway19_cifar10": "mul", "sknet26": "softmax"}


@cache
def network(name: str) -> nn.Module:
    """A network whose BN is not the identity."""
    torch.manual_seed(3)
    made = create(name, num_classes=10).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
    return made.requires_grad_(False)


def pictures(number: int, side: int) -> Tensor:
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(number + side))


def share(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(("name", "side"), breadth(NETWORKS, *LONG))
def test_a_network(name: str, side: int) -> None:
    """float32 to 1e-5; bfloat16 as near as torch's sums of the same rounded values; any number of threads, twice."""
    net = network(name)
    expected = net.double()(pictures(3, side).double())
    net.float()
    precisions: list[tuple[Precision, float]] = [("float32", 1e-5), ("bfloat16", 2**-5)]
    for precision, error in precisions:
        one, two = (prepare(net, precision, threads) for threads in (1, 2))
        for number in (3, 1):
            pixels = pictures(3, side)[:number]
            found = one(pixels)
            assert share(found, expected[:number]) < error
            assert torch.equal(found, one(pixels))
            assert torch.equal(found, two(pixels))
    steps = steps_of(net)
    rounded = values_of(steps, pictures(3, side), torch.bfloat16)[steps.output].flatten(1)
    assert share(prepare(net, "bfloat16", 1)(pictures(3, side)), rounded) < 2**-5


@pytest.mark.parametrize("precision", breadth(["float32", "bfloat16"], "float32"))
def test_sizes_and_numbers_in_turn(precision: Precision) -> None:
    """Buffers of one size do not change what another size gives; a picture's logits do not depend on the others."""
    net = network("resnext50_32x4d")
    call = prepare(net, precision, 2)
    forms = [(5, 32), (1, 64), (4, 45), (2, 32)]
    first = [call(pictures(*form)) for form in forms]
    for form, found in reversed(list(zip(forms, first, strict=True))):
        pixels = pictures(*form)
        assert torch.equal(call(pixels), found)
        assert torch.equal(torch.cat([call(one[None]) for one in pixels]), found)
        assert torch.equal(call(pixels.contiguous(memory_format=torch.channels_last)), found)
    assert call(pictures(0, 32)).shape == (0, 10)


def test_calls_from_several_threads() -> None:
    call = prepare(network("resnet20_cifar"), "float32", 2)
    forms = [(1 + i % 3, 32 + 4 * (i % 2)) for i in range(24)]
    expected = [call(pictures(*form)) for form in forms]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda form: call(pictures(*form)), forms))
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize(("name", "operation"), REFUSED.items())
def test_networks_that_are_refused(name: str, operation: str) -> None:
    with pytest.raises(RequestError, match=operation) as refusal:
        prepare(network(name))
    assert all(
        finding.startswith("Cardinet's own kernels cannot run this network") for finding in refusal.value.findings
    )


def test_pixels_that_are_refused() -> None:
    call = prepare(network("resnet18"))
    for pixels, words in (
        (torch.zeros(1, 1, 64, 64), r"\(N, 3, H, W\), not float32 \(1, 1, 64, 64\)"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.float64), "not float64"),
        (torch.zeros(1, 3, 64, 64, device="meta"), "on meta"),
        (torch.zeros(3, 64, 64), r"not float32 \(3, 64, 64\)"),
        (torch.zeros(1, 3, 0, 64), "0 x 64 pixels do not fit"),
    ):
        with pytest.raises(RequestError, match=words):
            call(pixels)


def test_requests_that_are_refused_at_once() -> None:
    with pytest.raises(RequestError) as refusal:
        prepare(network("resnet20_cifar"), "int8", 0)  # type: ignore[arg-type]
    assert len(refusal.value.findings) == 2
    assert "bfloat16" in refusal.value.findings[0] or "float32" in refusal.value.findings[0]


def test_maps_of_other_forms_are_not_added() -> None:
    first = Step(kind="adaptive", reads=0, makes=1, channels=3, kernel=(1, 1))
    total = Step(kind="affine", reads=0, makes=2, channels=3, other=1)
    with pytest.raises(RequestError, match="maps of one form only"):
        maps_of([Work(first, "adaptive"), Work(total, "affine")], (1, 3, 4, 4), torch.float32)


def test_the_network_itself_stays_as_it_is() -> None:
    net = create("resnet20_cifar", num_classes=10).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    prepare(net, "bfloat16", 1)(pictures(1, 32))
    assert net.training
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in net.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.long
def test_pictures_that_a_linear_layer_does_not_fit() -> None:
    with pytest.raises(RequestError, match="8 x 8 pixels do not fit"):
        prepare(network("alexnet_owt"))(pictures(1, 8))


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise CannotCompile("there is no C++ compiler")

    monkeypatch.setattr(room, "library", none)
    with pytest.raises(WorkError, match=r"cannot run this network, because there is no C\+\+ compiler"):
        prepare(network("resnet18"))
