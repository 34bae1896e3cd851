"""Deepening: more units and the same function, in eval and in train mode; and they learn."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.parts.carry import ExclusiveGate, Scaled, ShortcutDropout
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import StochasticDepth, Swapout
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.parts.spatial import SelectiveKernel, SplitAttention
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.deepen import deepen
from cardinet.rewrite.steps import Step, apply
from cardinet.rewrite.strip import strip
from cardinet.runs.model_file import Model, load_model, save_model
from rewrite.growing import as_its_description_builds_it, proof, trained, training

SMALL = Residual(depths=(2, 1), widths=(8, 16), stem=Stem(layout="cifar", width=8), num_classes=5)
SIDE = 16
GROWN: dict[str, tuple[Residual, tuple[int, ...]]] = {
    "resnet18": (find("resnet18").spec.but(widths=(8, 16, 16, 24), **{"stem.width": 8}), (3, 2, 2, 4)),
    "resnet50": (find("resnet50").spec.but(depths=(1, 2, 1, 1), widths=(4, 8, 8, 8)), (2, 2, 3, 1)),
    "resnext, grouped": (SMALL.but(transform=BOTTLENECK, cardinality=4, base_width=32), (3, 3)),
    "shortcut A": (SMALL.but(kind="A"), (2, 4)),
    "shortcut A, padded on both sides": (SMALL.but(kind="A", pad="both"), (5, 2)),
    "shortcut C, bare projections": (SMALL.but(kind="C", project="conv"), (3, 2)),
    "identity shortcuts alone": (SMALL.but(kind="identity"), (3, 2)),
    "gated": (SMALL.but(gate=SqueezeExcite(reduction=4)), (3, 2)),
    "carry that leaves the shortcut": (SMALL.but(carry=Scaled(skip=1, branch=0.5)), (3, 2)),
    "order d": (SMALL.but(order="d"), (3, 2)),
    "order e": (SMALL.but(order="e", project="conv"), (3, 2)),
    "order e of fb, biases": (SMALL.but(order=replace(ORDERS["e"], boundary="fb"), conv_bias=True), (3, 2)),
    "order e of timm, one convolution": (SMALL.but(order=replace(ORDERS["e"], boundary="timm"), kernels=(3,)), (3, 3)),
    "wide, dropout": (find("wrn16_4").spec.but(depths=(1, 1, 1), widths=(8, 16, 16), dropout=0.3), (2, 2, 2)),
    "form a": (SMALL.but(transform=BOTTLENECK, cardinality=4, base_width=32, form="a"), (3, 2)),
    "form b": (SMALL.but(transform=BOTTLENECK, cardinality=4, base_width=32, form="b"), (3, 2)),
    "copies": (SMALL.but(copies=2), (3, 2)),
    "selective kernels": (SMALL.but(transform=BOTTLENECK, spatial=SelectiveKernel(cardinality=4)), (3, 2)),
    "split attention": (SMALL.but(transform=BOTTLENECK, spatial=SplitAttention(cardinality=2)), (3, 2)),
    "levels": (SMALL.but(depths=(2, 2), levels=Levels()), (3, 4)),
    "levels, pooled, around the network": (SMALL.but(levels=Levels(around=("network",), shrink="max")), (3, 1)),
    "levels, order e": (SMALL.but(order="e", levels=Levels()), (3, 2)),
    "stochastic depth, uniform": (SMALL.but(merge=StochasticDepth(rule="uniform")), (3, 2)),
}  # fmt: skip


def unit_of(name: str) -> str:
    """The unit that a tensor of this name belongs to."""
    found = re.match(r"layer\d+\.(units\.)?\d+", name)
    assert found is not None, name
    return found[0]


DRAWN = ("wide, dropout", "stochastic depth, uniform")


def test_number_of_networks() -> None:
    assert len(GROWN) == 23


@pytest.mark.parametrize("name", GROWN)
def test_the_function_is_kept(name: str) -> None:
    spec, depths = GROWN[name]
    network, step = trained(spec, SIDE), Step("deepen", {"depths": list(depths), "seed": 3})
    found = proof(network, step, SIDE)
    assert found.float64 <= 1e-10
    assert found.float32 <= 1e-5
    after = apply(network, [step])
    assert after.spec == spec.but(depths=depths)
    as_its_description_builds_it(after, spec, [step])


@pytest.mark.parametrize("name", [name for name in GROWN if name not in DRAWN])
def test_training_begins_where_it_was(name: str) -> None:
    """The same logits in train mode, the same gradients of old parameters, and one for what closes new branches."""
    spec, depths = GROWN[name]
    network = trained(spec, SIDE)
    apart, before, after = training(network, Step("deepen", {"depths": depths}), SIDE)
    assert apart <= 1e-12
    moved = old_names(spec, depths, before)
    own = dict(after.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in before.parameters() if p.grad is not None)
    for old, parameter in before.named_parameters():
        gradient = own[moved[old]].grad
        assert parameter.grad is not None
        assert gradient is not None
        assert float((gradient - parameter.grad).abs().max()) <= 1e-12 * largest, old
    for old, statistic in before.named_buffers():
        assert torch.allclose(after.get_buffer(moved[old]), statistic, rtol=1e-12, atol=1e-14), old
    new = {name: p for name, p in own.items() if name not in moved.values()}
    closing = {name for name, p in new.items() if p.grad is not None and bool(p.grad.any())}
    units = {unit_of(name) for name in new}
    assert len(units) == sum(depths) - sum(spec.depths)
    for unit in units:
        assert any(name.startswith(f"{unit}.") for name in closing), unit


def old_names(spec: Residual, depths: tuple[int, ...], before: nn.Module) -> dict[str, str]:
    """Where the old tensors stand now: a last unit that leaves its activation to a level has moved to the end."""
    found = {}
    for name in before.state_dict():
        found[name] = name
        for stage, (old, new) in enumerate(zip(spec.depths, depths, strict=True), 1):
            levels, last = spec.levels, stage == len(depths)
            held = levels is not None and ("stage" in levels.around or last) and bool(spec.order.after)
            place = re.match(rf"(layer{stage}\.(?:units\.)?){old - 1}\.(.*)", name)
            if held and place is not None:
                found[name] = f"{place[1]}{new - 1}.{place[2]}"
    return found


def test_training_changes_the_new_units() -> None:
    for name in ("resnet18", "order e", "copies", "split attention"):
        spec, depths = GROWN[name]
        network = deepen(trained(spec, SIDE), depths).train()
        start = copy.deepcopy(network.state_dict())
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
        for i in range(3):
            optimizer.zero_grad()
            x = torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(i))
            nn.functional.cross_entropy(network(x), torch.arange(8) % spec.num_classes).backward()
            optimizer.step()
        index = depths[0] - 1
        new = {n: p for n, p in network.named_parameters() if n.startswith(f"layer1.{index}.")}
        weights = {n for n, p in new.items() if p.dim() == 4 and not torch.equal(p, start[n])}
        assert {n for n, p in new.items() if p.dim() == 4} == weights


@pytest.mark.parametrize("rescale", ["test", "train"])
@pytest.mark.parametrize("merge", [StochasticDepth(), Swapout(last=(0.6, 0.7))], ids=["stochastic depth", "swapout"])
def test_what_draws_is_stripped_first(merge: Any, rescale: str) -> None:
    spec = SMALL.but(merge=replace(merge, rescale=rescale))
    network = trained(spec, SIDE)
    with pytest.raises(RequestError, match="strip first"):
        deepen(network, (3, 2))
    step = Step("deepen", {"depths": (3, 2)})
    assert proof(strip(network), step, SIDE).float64 <= 1e-10
    apart, _, _ = training(strip(network), step, SIDE)
    assert apart <= 1e-12
    twice = [Step("strip"), step, Step("deepen", {"depths": (4, 2), "seed": 1})]
    as_its_description_builds_it(apply(network, twice), spec, twice)
    assert proof(apply(network, twice[:2]), twice[2], SIDE).float64 <= 1e-10


def test_the_seed_decides_what_is_drawn_and_nothing_else() -> None:
    network = trained(SMALL, SIDE)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (deepen(network, (2, 3), seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    changed = {name.rpartition(".")[0] for name in first if not torch.equal(first[name], other[name])}
    assert changed == {f"layer2.{unit}.conv{i}" for unit in (1, 2) for i in (1, 2)}
    assert not first["layer2.2.bn2.weight"].any()


def test_dtype_layout_modes_and_frozen_parameters_are_kept() -> None:
    network = build(SMALL).to(torch.bfloat16).to(memory_format=torch.contiguous_format).eval()
    network.layer1.requires_grad_(False)
    network.get_submodule("layer1.0.bn1").train()
    state = copy.deepcopy(network.state_dict())
    after = deepen(network, (3, 1))
    assert {p.dtype for p in after.parameters()} == {torch.bfloat16}
    assert all(p.is_contiguous() for p in after.parameters())
    assert [name for name, module in after.named_modules() if module.training] == ["layer1.0.bn1"]
    stage = after.get_submodule("layer1")
    trainable = {unit_of(name) for name, p in stage.named_parameters("layer1") if p.requires_grad}
    assert trainable == {"layer1.2"}
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    last = deepen(build(SMALL), (3, 1))
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in last.parameters() if p.dim() == 4)


def test_a_model_file_gives_it_back(tmp_path: Path) -> None:
    spec, depths = GROWN["levels"]
    network = trained(spec, SIDE)
    steps = (Step("deepen", {"depths": list(depths), "seed": 9}),)
    after = apply(network, steps)
    prepared = Preprocessing(channels=3, crop=SIDE, mean=(0.5,) * 3, std=(0.2,) * 3)
    save_model(tmp_path / "a.safetensors", Model(after, spec, tuple("abcde"), prepared, steps))
    back = load_model(tmp_path / "a.safetensors")
    x = torch.randn(3, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.equal(back.network(x), after(x))
    assert back.network.spec == spec.but(depths=depths)


REFUSED: dict[str, tuple[Residual, Any, list[str]]] = {
    "fewer": (SMALL, (1, 2), ["stage 1 has 2 units, and deepening only adds; give 2 or more"]),
    "the same": (SMALL, (2, 1), ["the network has these depths already"]),
    "other stages": (SMALL, (2, 1, 1), ["differ in length"]),
    "no list": (SMALL, 3, ["depths = 3: Input should be a list"]),
    "no numbers": (SMALL, (0, 3), ["depths.0 = 0: Input should be greater than or equal to 1"]),
    "BN after the sum": (SMALL.but(order="b"), (3, 1), ["would normalise the input of a new unit"]),
    "ReLU before the sum": (SMALL.but(order="c"), (3, 1), ["would never learn"]),
    "no shortcut": (SMALL.but(kind="none"), (3, 1), ["a unit with a branch of zeros lets nothing through"]),
    "projections with BN": (SMALL.but(kind="C"), (3, 1), ['with kind "C" the BN in the shortcut of a new unit']),
    "scaled": (SMALL.but(carry=Scaled()), (3, 1), ["carry.skip = 0.5"]),
    "gated": (SMALL.but(carry=ExclusiveGate()), (3, 1), ["never opens the shortcut fully"]),
    "dropped": (SMALL.but(carry=ShortcutDropout()), (3, 1), ["carry.rate = 0.5", ]),
    "levels": (SMALL.but(levels=Levels()), (3, 2), ["the activation of the only unit of stage 2 follows the level"]),
    "all at once": (
        SMALL.but(order="c", kind="C", carry=Scaled(), merge=StochasticDepth()),
        (1, 2),
        ["stage 1 has 2 units", "would never learn", "BN in the shortcut", "carry.skip", "survival of the old"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    spec, depths, parts = REFUSED[case]
    network = build(spec, device="meta")
    with pytest.raises(RequestError) as error:
        deepen(network, depths)
    assert len(error.value.findings) == len(parts), error.value.findings
    for part, text in zip(parts, error.value.findings, strict=True):
        assert part in text
        assert text.endswith(".")


def test_number_of_refusals() -> None:
    assert len(REFUSED) == 14


def test_other_networks_are_refused() -> None:
    with pytest.raises(RequestError, match="Only a residual network"):
        deepen(build(find("vgg16").spec, device="meta"), (3, 1))
    network = build(SMALL)
    folded = apply(network.eval(), [Step("fold")])
    with pytest.raises(RequestError, match="was rewritten before"):
        deepen(folded, (3, 1))
    for seed in (-1, 1.5, True):
        with pytest.raises(RequestError, match="seed = "):
            deepen(network, (3, 1), seed)  # type: ignore[arg-type]
    assert isinstance(deepen(network, (3, 1)), Classifier)
