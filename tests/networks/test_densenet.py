"""DenseNet: counts of every row, the placing of dropout, and recomputation, which changes nothing but the memory."""

from __future__ import annotations

import copy
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torchvision.models import densenet121

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.families.densenet import FAMILY, SMALL, DenseNet

ROWS = {**FAMILY.rows, **SMALL.rows}
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "densenet_memory.py"

# The parameters of densenet264 are printed nowhere; test_the_count_of_the_formula stands for it.
COUNTS = {
    "densenet121": (7978856, 2.834),
    "densenet169": (14149480, 3.36),
    "densenet201": (20013928, 4.291),
    "densenet161": (28681000, 7.728),
    "densenet264": (33337704, 5.752),
    "densenet_40_12": (1019722, 0.265),
    "densenet_100_12": (6979642, 1.77),
    "densenet_100_24": (27249082, 6.889),
    "densenet_bc_100_12": (769162, 0.288),
    "densenet_bc_250_24": (15324406, 5.419),
    "densenet_bc_190_40": (25624430, 9.302),
    "densenet_bc_40_36": (1542682, 0.647),
    "densenet_bc_40_48": (2733130, 1.15),
    "densenet_bc_40_60": (4261690, 1.796),
}
CIFAR100 = {"densenet_40_12": 1060132, "densenet_100_12": 7084852, "densenet_bc_100_12": 800032}

SMALLEST = DenseNet(depths=(3, 2), growth=4, stem="cifar", stem_width=8, num_classes=5, in_channels=2)
KINDS = {
    "bottleneck": SMALLEST,
    "plain": SMALLEST.but(bottleneck=False, compression=1),
    "bottleneck, dropout": SMALLEST.but(dropout=0.3),
    "imagenet, plain, dropout": SMALLEST.but(bottleneck=False, stem="imagenet", dropout=0.3),
}


def test_number_of_rows() -> None:
    assert set(COUNTS) == set(ROWS)
    assert len(COUNTS) == 14


@pytest.mark.parametrize("id", COUNTS)
def test_counts(id: str) -> None:
    counts = count_spec(ROWS[id].spec, ROWS[id].input_size)
    assert (counts.params, round(counts.macs / 1e9, 3)) == COUNTS[id]


@pytest.mark.parametrize("id", CIFAR100)
def test_counts_for_100_classes(id: str) -> None:
    assert count_spec(ROWS[id].spec.but(num_classes=100), 32).params == CIFAR100[id]


def test_the_count_of_the_formula() -> None:
    """The parameters of densenet264 as a sum: convolutions, and 2 per channel that enters a BN."""
    k, m = 32, 64
    total = 3 * 64 * 49 + 2 * 64
    for block, depth in enumerate((6, 12, 64, 48)):
        total += sum(2 * (m + i * k) + (m + i * k) * 4 * k + 2 * 4 * k + 4 * k * k * 9 for i in range(depth))
        m += depth * k
        if block < 3:
            total += 2 * m + m * (m // 2)
            m //= 2
    assert total + 2 * m + m * 1000 + 1000 == COUNTS["densenet264"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_follows_every_convolution_but_the_first(kind: str) -> None:
    network = build(KINDS[kind].but(dropout=0.25), device="meta")
    order = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Dropout)]
    assert isinstance(order[0], nn.Conv2d)
    assert all(isinstance(m, nn.Conv2d) for m in order[1::2])
    assert [m.p for m in order[2::2] if isinstance(m, nn.Dropout)] == [0.25] * (len(order) // 2)


def test_compression_takes_the_floor() -> None:
    network = build(SMALLEST.but(depths=(3, 1), compression=0.33), device="meta")
    conv = network.get_submodule("transition1.conv")
    assert isinstance(conv, nn.Conv2d)
    assert conv.out_channels == 6  # floor(0.33 x (8 + 3 x 4))
    assert network.num_features == 6 + 4
    with pytest.raises(RequestError, match=r"compression = 0.04 keeps none of the 20 channels .* at least 0.0500"):
        SMALLEST.but(compression=0.04)


def test_one_seed_gives_torchvisions_network() -> None:
    torch.manual_seed(3)
    ours = build(ROWS["densenet121"].spec).eval()
    torch.manual_seed(3)
    theirs = densenet121(weights=None).eval()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=0)


def step(network: Classifier, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """What a training step leaves: gradients, also of the pixels, running statistics, and the generator's state."""
    torch.manual_seed(7)
    pixels = pixels.clone().requires_grad_()
    F.cross_entropy(network.train()(pixels), labels).backward()
    assert pixels.grad is not None
    gradients = {f"{name}.grad": p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert len(gradients) == len(list(network.parameters()))
    return {**gradients, **dict(network.named_buffers()), "pixels": pixels.grad, "generator": torch.get_rng_state()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_with_recomputation_changes_exactly_the_same(kind: str) -> None:
    torch.manual_seed(0)
    plain = build(KINDS[kind])
    again = build(KINDS[kind].but(recompute=True))
    again.load_state_dict(plain.state_dict())
    calls = {"plain": 0, "again": 0}

    def counted(name: str) -> None:
        calls[name] += 1

    for name, network in (("plain", plain), ("again", again)):
        first = next(m for m in network.get_submodule("layer1.1").modules() if isinstance(m, nn.BatchNorm2d))
        first.register_forward_hook(lambda *_, name=name: counted(name))
    pixels, labels = torch.randn(4, 2, 16, 16), torch.tensor([0, 1, 2, 3])
    for _ in range(2):
        expected, found = step(plain, pixels, labels), step(again, pixels, labels)
        assert set(found) == set(expected)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert calls == {"plain": 2, "again": 4}  # it really was computed again
    with torch.no_grad():
        again(pixels)
    again.eval()(pixels).sum().backward()
    assert calls["again"] == 6


def test_recomputation_uses_the_parameters_of_the_first_pass() -> None:
    """`functional_call` puts parameters in only while the network runs, and the backward pass comes after."""
    torch.manual_seed(0)
    networks = [build(SMALLEST.but(recompute=recompute)).train() for recompute in (False, True)]
    state = {name: torch.randn_like(p).requires_grad_() for name, p in networks[0].named_parameters()}
    pixels = torch.randn(4, 2, 8, 8)
    expected, found = (
        torch.autograd.grad(functional_call(network, state, pixels).square().sum(), list(state.values()))
        for network in networks
    )
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_function_transforms_and_compilation_with_recomputation(training: bool) -> None:
    torch.manual_seed(0)
    plain = build(SMALLEST).train(training)
    again = build(SMALLEST.but(recompute=True)).train(training)
    again.load_state_dict(plain.state_dict())
    pixels = torch.randn(4, 2, 8, 8)

    def gradients(network: Classifier) -> dict[str, Tensor]:
        state = {name: p.detach() for name, p in network.named_parameters()}
        loss = torch.func.grad(lambda p, b: functional_call(network, p | b, pixels).square().sum())
        found: dict[str, Tensor] = loss(state, dict(network.named_buffers()))
        return found

    expected, found = gradients(plain), gradients(again)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    compiled = torch.compile(copy.deepcopy(again), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(pixels), again(pixels))


def test_the_peak_of_memory() -> None:
    """As the benchmark measures it, at a small batch."""
    peak_on_cpu: Callable[[Callable[[], None]], int] = runpy.run_path(str(BENCHMARK))["peak_on_cpu"]
    pixels = torch.randn(4, 3, 32, 32)

    def peak(recompute: bool) -> int:
        network = build(ROWS["densenet_bc_100_12"].spec.but(recompute=recompute))
        return peak_on_cpu(lambda: network(pixels).sum().backward())

    plain, again = peak(False), peak(True)
    # Plain, every layer of the first block keeps the concatenation, what BN and ReLU make of it, 48 channels twice.
    assert plain > sum(2 * (24 + 12 * i) + 2 * 48 for i in range(16)) * 4 * 32 * 32 * 4
    assert again <= 0.3 * plain
