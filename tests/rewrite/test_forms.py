"""Forms a, b and c of Xie et al. 2016, Figure 3: one function, converted exactly and proven in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.blocks.branches import Branch, SummedUnit
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.build.builder import build
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.parts.spatial import SelectiveKernel
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.deepen import deepen
from cardinet.rewrite.forms import convert, to_form
from cardinet.rewrite.steps import Step, apply
from cardinet.rewrite.strip import draws, strip
from inside import inside

TOLERANCE = 1e-12
NETWORKS: dict[str, tuple[Residual, int]] = {
    "resnext50_32x4d": (find("resnext50_32x4d").spec.but(depths=(1, 2, 1, 1)), 64),
    "resnext29_32x4d": (find("resnext29_32x4d").spec.but(depths=(1, 2, 1)), 32),
    "cardinality 1": (find("resnext29_1x64d").spec.but(depths=(1, 1, 1)), 32),
    "gate, stride in the first 1x1": (
        find("resnext11_8x16d_digits").spec.but(stride_at=0, gate=SqueezeExcite(reduction=4), in_channels=3),
        16,
    ),
    "no shortcut, stride in the last 1x1": (
        find("resnext11_8x16d_digits").spec.but(stride_at=2, kind="none", in_channels=3),
        16,
    ),
}


def trained(spec: Residual) -> Classifier:
    """A float64 network whose weights and BN statistics are no defaults."""
    torch.manual_seed(0)
    network = build(spec).double()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("bn1.weight", "bn2.weight", "bn3.weight", "running_var")):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith(("bn1.bias", "bn2.bias", "bn3.bias", "running_mean")):
                tensor.normal_(std=0.2)
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(7)
    return network


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest difference relative to the largest element."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def step(name: str, form: str, training: bool) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Logits, gradients and the state after one step of SGD, the last two under the names of form c."""
    spec, size = NETWORKS[name]
    network = to_form(trained(spec), form).train(training)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(4, spec.in_channels, size, size, generator=generator, dtype=torch.float64)
    logits = network(pixels)
    F.cross_entropy(logits, torch.arange(4)).backward()
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    assert len(gradients) == len(list(network.parameters()))
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    state = {n: t.detach().clone() for n, t in network.state_dict().items()}
    return logits.detach(), convert(gradients, network.spec, "c"), convert(state, network.spec, "c")


def test_number_of_networks() -> None:
    assert len(NETWORKS) == 5


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", breadth(NETWORKS, "resnext29_32x4d"))
def test_forms_are_one_function(name: str, training: bool) -> None:
    logits, gradients, state = step(name, "c", training)
    for form in ("a", "b"):
        found_logits, found_gradients, found_state = step(name, form, training)
        assert distance(found_logits, logits) < TOLERANCE
        assert found_gradients.keys() == gradients.keys()
        assert max(distance(found_gradients[n], gradients[n]) for n in gradients) < TOLERANCE
        assert found_state.keys() == state.keys()
        for n, expected in state.items():
            if expected.is_floating_point():
                assert distance(found_state[n], expected) < TOLERANCE, n
            else:
                assert found_state[n] == expected == 7 + training, n


@pytest.mark.parametrize("name", breadth(NETWORKS, "resnext29_32x4d"))
def test_round_trip_returns_the_exact_tensors(name: str) -> None:
    network = trained(NETWORKS[name][0])
    converted = network
    for form in ("a", "b", "c"):
        converted = to_form(converted, form)
        assert converted.spec == network.spec.but(**{"transform.form": form})
    expected, found = network.state_dict(), converted.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[n], expected[n]) for n in expected)
    assert {t.data_ptr() for t in found.values()}.isdisjoint(t.data_ptr() for t in expected.values())


@pytest.mark.long
def test_names_and_shapes_are_those_of_the_built_form() -> None:
    spec = find("resnext50_32x4d").spec
    for form in ("a", "b"):
        built = build(spec.but(form=form), device="meta").state_dict()
        found = to_form(build(spec, device="meta"), form).state_dict()
        assert {n: t.shape for n, t in found.items()} == {n: t.shape for n, t in built.items()}
        assert all(t.is_meta for t in found.values())


def test_branch_k_holds_the_channels_of_group_k() -> None:
    network = trained(NETWORKS["gate, stride in the first 1x1"][0])
    before = inside(network, "layer2.0", ResidualUnit)
    after = inside(to_form(network, "a"), "layer2.0", SummedUnit)
    d = before.get_parameter("conv2.weight").shape[1]
    for k in (0, 3, 7):
        branch, own = inside(after, f"branches.{k}", Branch), slice(k * d, (k + 1) * d)
        assert torch.equal(branch.get_parameter("conv1.weight"), before.get_parameter("conv1.weight")[own])
        assert torch.equal(branch.get_buffer("bn2.running_var"), before.get_buffer("bn2.running_var")[own])
        assert torch.equal(branch.get_parameter("conv2.weight"), before.get_parameter("conv2.weight")[own])
        assert torch.equal(branch.get_parameter("conv3.weight"), before.get_parameter("conv3.weight")[:, own])


@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_dtype_layout_mode_and_frozen_parameters_are_kept(form: str) -> None:
    network = build(find("resnext11_8x16d_digits").spec).to(torch.bfloat16).to(memory_format=torch.contiguous_format)
    network.eval()
    network.get_submodule("layer1.0.bn1").train()
    network.layer2.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    converted = to_form(network, form)
    assert {p.dtype for p in converted.parameters()} == {torch.bfloat16}
    assert converted.get_buffer("layer1.0.bn3.num_batches_tracked").dtype == torch.int64
    assert all(p.is_contiguous() for p in converted.parameters())
    assert {n.partition(".")[0] for n, p in converted.named_parameters() if not p.requires_grad} == {"layer2"}
    in_training = [n for n, m in converted.named_modules() if m.training]
    assert in_training == (["layer1.0.bn1"] if form == "c" else [f"layer1.0.branches.{k}.bn1" for k in range(8)])
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    last = to_form(build(network.spec), form)
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in last.parameters() if p.dim() == 4)


def test_levels_have_forms() -> None:
    network = trained(find("resnext11_8x16d_digits").spec.but(depths=(2, 2, 2), levels=Levels()))
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    expected = network.eval()(x)
    for form in ("a", "b"):
        assert distance(to_form(network, form)(x), expected) < TOLERANCE


@pytest.mark.parametrize("deeper", [False, True])
def test_what_strip_took_away_stays_away(deeper: bool) -> None:
    """Also the weights that a deeper network keeps from before: the description would give others."""
    spec = find("resnext11_8x16d_digits").spec
    network: nn.Module = strip(trained(spec.but(merge=StochasticDepth(last=0.5), head_dropout=0.3)))
    if deeper:
        network = deepen(network, [2, *spec.depths[1:]])
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    expected = network.eval()(x)
    for form in ("a", "b", "c"):
        converted = to_form(network, form)
        assert not draws(converted)
        assert distance(converted(x), expected) < TOLERANCE


@pytest.mark.parametrize("before", [Step("fold"), Step("pack", {"width": 64})], ids=["fold", "pack"])
def test_what_was_rewritten_before_is_refused(before: Step) -> None:
    network = apply(build(find("resnext11_8x16d_digits").spec), [before])
    with pytest.raises(RequestError, match="Apply form first"):
        to_form(network, "b")


REFUSED: dict[str, tuple[nn.Module, str, str]] = {
    "no bottleneck": (build(find("resnet18").spec, device="meta"), "c", "kernels 3,3"),
    "unknown form": (build(find("resnet50").spec, device="meta"), "d", "known: a, b, c"),
    "no description": (nn.Linear(1, 1), "b", "no residual description"),
}


def test_number_of_refusals() -> None:
    assert len(REFUSED) == 3


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_sentence(case: str) -> None:
    network, form, message = REFUSED[case]
    with pytest.raises(RequestError, match=message) as error:
        to_form(network, form)
    assert len(error.value.findings) == 1


def test_spatial_part_without_groups_is_refused() -> None:
    spec: Any = find("resnet50").spec.but(spatial=SelectiveKernel())
    with pytest.raises(RequestError, match="the spatial part SelectiveKernel"):
        convert({}, spec, "b")


def test_missing_branch_is_named() -> None:
    network = to_form(build(find("resnext11_8x16d_digits").spec, device="meta"), "b")
    state = network.state_dict()
    del state["layer2.0.branches.5.conv1.weight"]
    with pytest.raises(RequestError, match=r"layer2\.0\.branches\.5\.conv1\.weight is missing"):
        convert(state, network.spec, "c")
