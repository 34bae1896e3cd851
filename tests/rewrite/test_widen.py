"""Widening: more channels and the same function, in eval and in train mode; and the copies part in training."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.parts.carry import ExclusiveGate, ShortcutGate
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.parts.spatial import SelectiveKernel, SplitAttention
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.deepen import deepen
from cardinet.rewrite.replicas import SHARES, even_copies, group_copies, padded_copies, shared_weight
from cardinet.rewrite.steps import Step, apply
from cardinet.rewrite.strip import strip
from cardinet.rewrite.widen import widen
from cardinet.runs.model_file import Model, load_model, save_model
from rewrite.growing import as_its_description_builds_it, distance, pictures, proof, trained, training

SMALL = Residual(depths=(2, 1), widths=(8, 16), stem=Stem(layout="cifar", width=8), num_classes=5)
GROUPED = SMALL.but(transform=BOTTLENECK, cardinality=4, base_width=32)
SIDE = 16
GROWN: dict[str, tuple[Residual, dict[str, Any]]] = {
    "resnet18": (
        find("resnet18").spec.but(depths=(1, 1, 1, 1), widths=(8, 16, 16, 24), **{"stem.width": 8}),
        {"widths": [12, 24, 25, 31]},
    ),
    "resnet50": (find("resnet50").spec.but(depths=(1, 2, 1, 1), widths=(4, 8, 8, 8)), {"widths": [8, 9, 16, 17]}),
    "resnet50, stem of the first stage": (SMALL.but(transform=BOTTLENECK, widths=(2, 4)), {"widths": [3, 4]}),
    "deep stem": (SMALL.but(stem=Stem(layout="deep", width=4)), {"widths": [14, 16]}),
    "inner width": (SMALL, {"base_width": 100}),
    "resnext, more groups": (GROUPED, {"cardinality": 6}),
    "resnext, wider groups": (GROUPED, {"base_width": 40}),
    "resnext, wider stages": (GROUPED, {"widths": [12, 20]}),
    "resnext, all": (GROUPED, {"widths": [12, 20], "base_width": 33, "cardinality": 7}),
    "first 1x1 of half the width": (GROUPED.but(narrow_first=0.5), {"cardinality": 8}),
    "groups read the shortcut's channels": (SMALL.but(cardinality=4), {"widths": [16, 32], "cardinality": 8}),
    "groups make the shortcut's channels": (SMALL.but(cardinality=4, at=1), {"widths": [24, 48], "cardinality": 8}),
    "one convolution in groups": (SMALL.but(kernels=(3,), cardinality=2), {"widths": [16, 18]}),
    "shortcut A": (SMALL.but(kind="A"), {"widths": [11, 23]}),
    "shortcut A, padded on both sides, means": (SMALL.but(kind="A", pad="both", sample="avg"), {"widths": [11, 24]}),
    "shortcut A, stem of its own": (SMALL.but(kind="A", **{"stem.width": 4}), {"widths": [9, 20]}),
    "shortcut C": (SMALL.but(kind="C", project="avg conv bn"), {"widths": [16, 17]}),
    "no shortcuts": (SMALL.but(kind="none"), {"widths": [16, 17]}),
    "gated": (SMALL.but(gate=SqueezeExcite(reduction=4)), {"widths": [17, 32]}),
    "senet": (GROUPED.but(gate=SqueezeExcite(reduction=16), project="conv3 bn"), {"widths": [9, 21], "cardinality": 5}),
    "exclusive gates": (SMALL.but(carry=ExclusiveGate()), {"widths": [12, 24]}),
    "shortcut gates": (SMALL.but(carry=ShortcutGate(gate_bias=0)), {"widths": [12, 24]}),
    "order b": (SMALL.but(order="b"), {"widths": [12, 24], "base_width": 80}),
    "order c": (SMALL.but(order="c"), {"widths": [12, 24]}),
    "order d": (SMALL.but(order="d"), {"widths": [12, 24]}),
    "order e": (SMALL.but(order="e", project="conv"), {"widths": [12, 24], "base_width": 80}),
    "order e of fb": (SMALL.but(order=replace(ORDERS["e"], boundary="fb")), {"widths": [9, 16]}),
    "biases": (SMALL.but(conv_bias=True), {"widths": [9, 16]}),
    "order e of timm": (SMALL.but(order=replace(ORDERS["e"], boundary="timm")), {"widths": [9, 17]}),
    "copies": (SMALL.but(copies=2, order="e"), {"widths": [12, 24], "base_width": 80}),
    "wide": (find("wrn16_4").spec.but(depths=(1, 1, 1), widths=(8, 16, 16)), {"widths": [24, 32, 50]}),
    "levels": (SMALL.but(levels=Levels()), {"widths": [12, 24]}),
    "levels, order b, pooled": (SMALL.but(order="b", levels=Levels(shrink="max")), {"widths": [12, 24]}),
    "stochastic depth": (SMALL.but(merge=StochasticDepth()), {"widths": [12, 24]}),
}  # fmt: skip


def test_number_of_networks() -> None:
    assert len(GROWN) == 34


def grown(spec: Residual, asked: dict[str, Any]) -> Residual:
    """The description that is expected: the stem follows a first stage that has its channels."""
    first = spec.widths[0] * spec.transform.expansion
    delta: dict[str, Any] = dict(asked)
    if "widths" in asked and spec.stem.w_out == first:
        delta["stem.width"] = asked["widths"][0] * spec.transform.expansion * spec.stem.width // first
    return spec.but(**delta)


@pytest.mark.parametrize("name", GROWN)
def test_the_function_is_kept(name: str) -> None:
    spec, asked = GROWN[name]
    network, step = trained(spec, SIDE), Step("widen", asked | {"seed": 3})
    found = proof(network, step, SIDE)
    assert found.float64 <= 1e-10
    assert found.float32 <= 1e-5
    after = apply(network, [step])
    assert after.spec == grown(spec, asked) != spec
    as_its_description_builds_it(after, spec, [step])


@pytest.mark.parametrize("name", [name for name in GROWN if name != "stochastic depth"])
def test_training_begins_where_it_was(name: str) -> None:
    """The same logits in train mode. And the gradients: those of the copies, each times its share, add up to the old.

    What is widened is linear in the parameters, so the rule is that along any change of the old ones, and of each
    alone, both losses change equally.
    """
    spec, asked = GROWN[name]
    network, step = trained(spec, SIDE), Step("widen", asked)
    apart, before, after = training(network, step, SIDE)
    assert apart <= 1e-12
    change = copy.deepcopy(before)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in change.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    wide = dict(apply(change, [step]).named_parameters())
    own, narrow = dict(after.named_parameters()), dict(change.named_parameters())
    along = {name: dot(p.grad, narrow[name]) for name, p in before.named_parameters()}
    scale = max(map(abs, along.values()))
    assert scale > 0
    for old, expected in along.items():
        assert abs(dot(own[old].grad, wide[old]) - expected) <= 1e-11 * scale, old


def dot(first: Tensor | None, second: Tensor) -> float:
    assert first is not None
    return float((first * second.detach()).sum())


def test_statistics_of_copies_are_those_of_their_channels() -> None:
    """After a pass in train mode too: the wider network is the widened one of the old network after it."""
    spec, asked = GROWN["resnext, all"]
    before = copy.deepcopy(trained(spec, SIDE)).double().train()
    after = widen(before, **asked, seed=4)
    x = pictures(before, SIDE)
    with torch.no_grad():
        before(x)
        after(x)
    expected = dict(widen(before, **asked, seed=4).named_buffers())
    assert len(expected) > 30
    for name, buffer in after.named_buffers():
        assert torch.allclose(buffer, expected[name], rtol=1e-11, atol=1e-13), name


def copies_of(network: nn.Module, layer: str) -> dict[bytes, list[int]]:
    """The output channels of a convolution that have the same weights, by these."""
    found: dict[bytes, list[int]] = {}
    for i, row in enumerate(network.get_parameter(f"{layer}.weight").detach()):
        found.setdefault(row.contiguous().numpy().tobytes(), []).append(i)
    return found


def test_copies_part_in_training() -> None:
    network = widen(trained(SMALL, SIDE), widths=[16, 32], base_width=64, seed=2).train()
    assert {len(rows) for rows in copies_of(network, "conv1").values()} == {2}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for i in range(3):
        optimizer.zero_grad()
        x = torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(i))
        nn.functional.cross_entropy(network(x), torch.arange(8) % 5).backward()
        optimizer.step()
    pairs = copies_of(widen(trained(SMALL, SIDE), widths=[16, 32], base_width=64, seed=2), "conv1")
    weight = network.get_parameter("conv1.weight")
    for first, second in pairs.values():
        assert distance(weight[second], weight[first]) > 1e-4
    for name, parameter in network.named_parameters():
        if parameter.dim() == 4:
            assert {len(rows) for rows in copies_of(network, name.removesuffix(".weight")).values()} == {1}, name


def test_even_shares_would_not_part() -> None:
    """What the random shares are for: with even ones the copies of the stem's channels have equal gradients."""
    network = widen(trained(SMALL, SIDE), widths=[16, 32]).double().train()
    even = copy.deepcopy(network)
    pairs = list(copies_of(network, "conv1").values())
    twin = {row: other for pair in pairs for row, other in zip(pair, pair[::-1], strict=True)}
    order = [twin[i] for i in range(16)]
    with torch.no_grad():
        for unit in ("layer1.0", "layer1.1", "layer2.0"):
            for name in (f"{unit}.conv1", f"{unit}.downsample.0"):
                if name in dict(even.named_modules()):
                    weight = even.get_parameter(f"{name}.weight")
                    weight.copy_((weight + weight[:, order]) / 2)
    gradients = []
    for one in (network, even):
        one(pictures(one, SIDE)).square().mean().backward()
        gradients.append(one.get_parameter("conv1.weight").grad)
    uneven, same = (distance(gradient[order], gradient) for gradient in gradients if gradient is not None)
    assert uneven > 0.05
    assert same < uneven / 10


def test_shares_add_up_to_one_and_are_bounded() -> None:
    generator = torch.Generator().manual_seed(0)
    reads, makes = even_copies(5, 13, generator), even_copies(4, 6, generator)
    wide = shared_weight(torch.ones(4, 5, 1, 1, dtype=torch.float64), reads, makes, 1, 1, generator).flatten(1)
    assert wide.shape == (6, 13)
    low, high = SHARES
    for channel in range(5):
        shares = wide[:, reads == channel]
        assert torch.allclose(shares.sum(1), torch.ones(6, dtype=torch.float64), atol=1e-15)
        count = shares.shape[1]
        assert count in (2, 3)
        assert float(shares.min()) >= low / (low + (count - 1) * high)
        assert len(shares.unique()) == shares.numel()
    once = shared_weight(torch.full((1, 3), 0.1), torch.arange(3), torch.arange(1), 1, 1, generator)
    assert torch.equal(once, torch.full((1, 3), 0.1))


def test_which_channels_are_copied() -> None:
    generator = torch.Generator().manual_seed(0)
    for old, new in ((5, 5), (5, 7), (5, 23)):
        found = even_copies(old, new, generator)
        assert torch.equal(found[:old], torch.arange(old))
        assert len(found) == new
        assert found.bincount(minlength=old).aminmax()[0] >= new // old
        assert found.bincount(minlength=old).aminmax()[1] <= -(-new // old)
    groups = torch.tensor([0, 1, 1])
    found = group_copies(6, 12, groups, 2, generator).view(3, 4)
    assert [sorted(set(row)) for row in found.tolist()] == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]
    found = padded_copies(torch.tensor([0, 1, 0]), 2, (1, 1), (2, 2), generator)
    assert found[2:5].tolist() == [1, 2, 1]
    assert sorted(found[[0, 1, 5, 6]].tolist()) == [0, 0, 3, 3]


def test_the_seed_decides() -> None:
    network = trained(SMALL, SIDE)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (widen(network, base_width=80, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_dtype_layout_modes_and_frozen_parameters_are_kept() -> None:
    network = build(GROUPED).to(torch.bfloat16).to(memory_format=torch.contiguous_format).eval()
    network.layer1.requires_grad_(False)
    network.get_submodule("layer1.0.bn1").train()
    state = copy.deepcopy(network.state_dict())
    after = widen(network, cardinality=8)
    assert {p.dtype for p in after.parameters()} == {torch.bfloat16}
    assert after.get_buffer("layer1.0.bn3.num_batches_tracked").dtype == torch.int64
    assert all(p.is_contiguous() for p in after.parameters())
    assert [name for name, module in after.named_modules() if module.training] == ["layer1.0.bn1"]
    assert {n.partition(".")[0] for n, p in after.named_parameters() if not p.requires_grad} == {"layer1"}
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert not {t.data_ptr() for t in after.state_dict().values()} & {
        t.data_ptr() for t in network.state_dict().values()
    }
    last = widen(build(GROUPED), cardinality=8)
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in last.parameters() if p.dim() == 4)


def test_after_other_rewrites_and_from_a_model_file(tmp_path: Path) -> None:
    spec = SMALL.but(merge=StochasticDepth(), **{"transform.dropout": 0.3})
    steps = (
        Step("strip"),
        Step("deepen", {"depths": [3, 2]}),
        Step("widen", {"widths": [12, 24]}),
        Step("widen", {"base_width": 80, "seed": 1}),
        Step("deepen", {"depths": [3, 3], "seed": 1}),
    )
    network = trained(spec, SIDE)
    for i, step in enumerate(steps):
        assert proof(apply(network, steps[:i]), step, SIDE).float64 <= 1e-10
    after = apply(network, steps)
    assert not any(isinstance(module, nn.Dropout) for module in after.modules())
    prepared = Preprocessing(channels=3, crop=SIDE, mean=(0.5,) * 3, std=(0.2,) * 3)
    save_model(tmp_path / "a.safetensors", Model(after, spec, tuple("abcde"), prepared, steps))
    back = load_model(tmp_path / "a.safetensors")
    x = torch.randn(3, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.equal(back.network(x), after(x))
    assert strip(after) is not after
    assert deepen(after, (4, 3)).spec.depths == (4, 3)


REFUSED: dict[str, tuple[Residual, dict[str, Any], list[str]]] = {
    "nothing": (SMALL, {}, ["There is nothing to widen: the network has widths = [8, 16], base_width = 64"]),
    "the same": (GROUPED, {"widths": [8, 16], "cardinality": 4}, ["There is nothing to widen"]),
    "less": (
        GROUPED,
        {"widths": [4, 32], "base_width": 16, "cardinality": 2},
        [
            "base_width = 16: the network has 32, and widening can only add",
            "cardinality = 2: the network has 4",
            "stage 1 has width 8, and widening can only add; give 8 or more",
        ],
    ),
    "other stages": (SMALL, {"widths": [16]}, ["differ in length"]),
    "no list": (SMALL, {"widths": 16}, ["widths = 16: Input should be a list"]),
    "no number": (SMALL, {"base_width": "wide"}, ["base_width = 'wide'"]),
    "form b": (GROUPED.but(form="b"), {"cardinality": 8}, ['only form "c" can be widened; convert to it first']),
    "attention": (
        SMALL.but(transform=BOTTLENECK, spatial=SelectiveKernel(cardinality=4)),
        {"base_width": 32},
        ["spatial = SelectiveKernel", "base_width = 32"],
    ),
    "split": (SMALL.but(transform=BOTTLENECK, spatial=SplitAttention()), {"widths": [16, 32]}, ["SplitAttention"]),
    "deep stem": (SMALL.but(stem=Stem(layout="deep", width=4)), {"widths": [9, 16]}, ["give stage 1 an even width"]),
    "a projection too few": (
        SMALL.but(**{"stem.width": 16}),
        {"widths": [16, 32]},
        ["makes 8 channels of 16, and would pass 16 on unchanged"],
    ),
    "a projection too many": (
        SMALL.but(widths=(8, 8), levels=Levels(shrink="max")),
        {"widths": [8, 16]},
        ["passes its 8 channels on unchanged, and would have to make 16 of 8"],
    ),
    "fewer zero channels": (SMALL.but(kind="A"), {"widths": [12, 16]}, ["adds 8 zero channels to the shortcut and"]),
    "zero channels where none were": (
        SMALL.but(kind="A", widths=(8, 8)),
        {"widths": [8, 16]},
        ["a width that needs none"],
    ),
    "zero channels across groups": (
        SMALL.but(kind="A", cardinality=2),
        {"widths": [16, 32]},
        ["do not fit the groups"],
    ),
    "narrower groups": (
        SMALL.but(cardinality=4),
        {"cardinality": 8},
        ["a group has 2 channels of the stem and would have 1", "2 channels of stage 1", "4 channels of stage 2"],
    ),
    "groups that do not divide": (SMALL.but(cardinality=4), {"cardinality": 5}, ["cardinality = 5 does not divide"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    spec, asked, parts = REFUSED[case]
    network = build(spec, device="meta")
    with pytest.raises(RequestError) as error:
        widen(network, **asked)
    assert len(error.value.findings) == len(parts), error.value.findings
    for part, text in zip(parts, error.value.findings, strict=True):
        assert part in text
        assert text.endswith(".")


def test_number_of_refusals() -> None:
    assert len(REFUSED) == 17


def test_other_networks_are_refused() -> None:
    with pytest.raises(RequestError, match="Only a residual network"):
        widen(build(find("vgg16").spec, device="meta"), (3, 1))
    folded = apply(build(SMALL).eval(), [Step("fold")])
    with pytest.raises(RequestError, match="was rewritten before"):
        widen(folded, base_width=80)
    with pytest.raises(RequestError, match="seed = -1"):
        widen(build(SMALL), base_width=80, seed=-1)
