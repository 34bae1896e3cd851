"""Units that are recomputed in the backward pass: a step changes the same bits, and needs less memory."""

from __future__ import annotations

import copy
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.recomputation import Recomputing, recomputing
from cardinet.build.builder import build
from cardinet.networks.parts.merge import Swapout
from cardinet.networks.registry import NETWORKS, find
from cardinet.networks.spec import NetworkSpec
from networks.small_networks import SMALL, dense, fractal, highway, inception, run, small

CASES: Mapping[str, NetworkSpec] = {
    **SMALL,
    "stochastic depth": small.but(merge="StochasticDepth(last=0.3)"),
    "stochastic depth, per sample": small.but(merge='StochasticDepth(last=0.3, per="sample", rescale="train")'),
    "swapout": small.but(merge=Swapout(last=(0.5, 0.5))),
    "dropout in the shortcut": small.but(carry="ShortcutDropout(rate=0.4)"),
    "dropout in the branch": small.but(transform="basic", dropout=0.3),
    "Inception, stochastic depth": inception.but(merge="StochasticDepth(last=0.3)"),
    "merge-and-run, stochastic depth": run.but(merge="StochasticDepth(last=0.3)"),
    "FractalNet, drop-path": fractal.but(drop_path=0.4, global_share=0.5, dropout=(0.1, 0.2)),
    "FractalNet, drop-path per sample": fractal.but(drop_path=0.4, global_share=0.5, per="sample"),
    "DenseNet, dropout": dense.but(dropout=0.25),
    "DenseNet without bottlenecks, dropout": dense.but(bottleneck=False, dropout=0.25),
    "Highway, dropout": highway.but(dropout=(0.2, 0.3, 0.4)),
}
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "recomputation.py"


def pair(spec: NetworkSpec) -> tuple[Classifier, Classifier]:
    """A network, and the same one with recomputation, in training mode."""
    torch.manual_seed(0)
    plain = build(spec).train()
    again = copy.deepcopy(plain)
    assert recomputing(again) >= 1
    return plain, again


def step(network: Classifier, pixels: Tensor, labels: Tensor, *, autocast: bool = False) -> dict[str, Tensor]:
    """What a training step leaves: logits, gradients, also of the pixels, running statistics, the generator's state."""
    torch.manual_seed(7)
    network.zero_grad()
    pixels = pixels.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = network(pixels)
    F.cross_entropy(logits.float(), labels).backward()
    assert pixels.grad is not None
    found = {f"{name}.grad": p.grad for name, p in network.named_parameters() if p.grad is not None}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    own = {"logits": logits, "pixels": pixels.grad, "generator": torch.get_rng_state()}
    return {**found, **buffers, **own}


def pictures(spec: NetworkSpec) -> tuple[Tensor, Tensor]:
    """Four pictures that are large enough for a network, and their classes."""
    torch.manual_seed(1)
    side = max(16, 3 * spec.stride if spec.stride >= 8 else 16)
    pixels = torch.randn(4, spec.in_channels, side, side).contiguous(memory_format=torch.channels_last)
    return pixels, torch.tensor([0, 1, 2, 3])


LARGE = {"AlexNet", "VGG"}
"""Networks with many parameters in the head."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in LARGE else ()) for name in CASES]
)
def test_a_step_changes_exactly_the_same(name: str) -> None:
    """Twice, so that running statistics, and draws after other draws, are compared too."""
    spec = CASES[name]
    plain, again = pair(spec)
    pixels, labels = pictures(spec)
    for _ in range(2):
        expected, found = step(plain, pixels, labels), step(again, pixels, labels)
        assert found.keys() == expected.keys()
        assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_the_cases_have_every_family() -> None:
    """Every class of descriptions, and every module that runs units."""
    assert {type(row.spec) for row in NETWORKS.values()} == {type(spec) for spec in CASES.values()}
    assert len(CASES) == len(SMALL) + 12
    runs = {
        type(m) for spec in CASES.values() for m in build(spec, device="meta").modules() if isinstance(m, Recomputing)
    }
    kinds = {kind for kind in runs if not issubclass(kind, Classifier)}
    assert {kind.__name__ for kind in kinds} == {"Units", "Chain", "LevelStage", "DenseBlock", "FractalBlock"}


@pytest.mark.parametrize("name", ["residual", "levels", "DenseNet", "FractalNet", "GoogLeNet", "merge-and-run"])
def test_units_are_computed_again(name: str) -> None:
    """In training, with gradients; not in eval mode, nor without gradients."""
    spec = CASES[name]
    _, again = pair(spec)
    calls = []
    convolutions = [module for module in again.modules() if isinstance(module, nn.Conv2d)]
    for module in convolutions:
        module.register_forward_hook(lambda module, *_: calls.append(module))
    pixels, labels = pictures(spec)

    def counts() -> set[int]:
        found = {calls.count(module) for module in convolutions}
        calls.clear()
        return found

    step(again, pixels, labels)
    # A unit is computed up to its last tensor that the backward pass needs: its last convolution may be left out.
    assert counts() in ({2}, {1, 2})
    with torch.no_grad():
        again(pixels)
    assert counts() == {1}
    step(again.eval(), pixels, labels)
    assert counts() == {1}
    recomputing(again, False)
    step(again.train(), pixels, labels)
    assert counts() == {1}


def test_under_autocast() -> None:
    plain, again = pair(small)
    pixels, labels = pictures(small)
    expected, found = (step(network, pixels, labels, autocast=True) for network in (plain, again))
    assert expected["logits"].dtype == torch.bfloat16
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_frozen_layers() -> None:
    """Their BN is in eval mode and their parameters have no gradient; the others get the same ones."""
    networks = pair(small)
    for network in networks:
        for name in ("conv1", "bn1", "layer1"):
            module = network.get_submodule(name).requires_grad_(False)
            for norm in module.modules():
                norm.train(not isinstance(norm, nn.BatchNorm2d))
    expected, found = (step(network, *pictures(small)) for network in networks)
    assert "layer1.0.conv1.weight.grad" not in expected
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_parameters_of_the_first_pass_are_used() -> None:
    """`functional_call` puts parameters in only while the network runs, and the backward pass comes after."""
    networks = pair(dense)
    state = {name: torch.randn_like(p).requires_grad_() for name, p in networks[0].named_parameters()}
    pixels, _ = pictures(dense)
    expected, found = (
        torch.autograd.grad(functional_call(network, state, pixels).square().sum(), list(state.values()))
        for network in networks
    )
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.long
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("spec", [small, dense], ids=["residual", "DenseNet"])
def test_function_transforms_and_compilation(spec: NetworkSpec, training: bool) -> None:
    plain, again = (network.train(training) for network in pair(spec))
    pixels, _ = pictures(spec)

    def gradients(network: Classifier) -> dict[str, Tensor]:
        state = {name: p.detach() for name, p in network.named_parameters()}
        loss = torch.func.grad(lambda p, b: functional_call(network, p | b, pixels).square().sum())
        found: dict[str, Tensor] = loss(state, dict(network.named_buffers()))
        return found

    expected, found = gradients(plain), gradients(again)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    compiled = torch.compile(copy.deepcopy(again), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(pixels), again(pixels))


@pytest.mark.long
@pytest.mark.parametrize(("id", "most"), [("densenet_bc_100_12", 0.3), ("resnet56_cifar", 0.45)])
def test_the_peak_of_memory(id: str, most: float) -> None:
    """As the benchmark measures it, at a small batch."""
    peak_on_cpu: Callable[[Callable[[], None]], int] = runpy.run_path(str(BENCHMARK))["peak_on_cpu"]
    network, pixels = build(find(id).spec).train(), torch.randn(4, 3, 32, 32)

    def peak(recompute: bool) -> int:
        recomputing(network, recompute)
        network.zero_grad()
        return peak_on_cpu(lambda: network(pixels).sum().backward())

    assert peak(True) <= most * peak(False)
