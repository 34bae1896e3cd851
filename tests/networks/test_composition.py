"""Parts combine: whatever a description accepts builds, counts, trains and travels; what it refuses it explains."""

from __future__ import annotations

import copy
import itertools
import json
import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.counts import count, parameters
from cardinet.networks.document import from_document, to_document
from cardinet.networks.parts.carry import ExclusiveGate, Scaled, ShortcutDropout, ShortcutGate
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import Add, StochasticDepth, Swapout
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.spatial import Grouped, SelectiveKernel, SplitAttention
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BASIC, BOTTLENECK, Transform
from cardinet.networks.registry import NETWORKS
from cardinet.networks.residual import Residual
from inside import inside

SMALL = Residual(depths=(2, 1), widths=(16, 32), stem=Stem(layout="cifar", width=16), num_classes=3)
UNITS = {"basic": BASIC, "one convolution": Transform(kernels=(3,)), "bottleneck": BOTTLENECK}
SPATIALS = {
    "plain": Grouped(),
    "grouped": Grouped(cardinality=4),
    "selective": SelectiveKernel(cardinality=4),
    "split": SplitAttention(cardinality=2),
    "split, radix 1": SplitAttention(radix=1),
}
CARRIES = [None, Scaled(), ExclusiveGate(), ShortcutGate(), ShortcutDropout()]
MERGES = [Add(), StochasticDepth(), Swapout()]
KINDS = ["A", "B", "C", "identity", "none"]
GRID = list(
    itertools.product(
        UNITS, SPATIALS, (None, SqueezeExcite(reduction=4)), "abcde", KINDS, CARRIES, MERGES, "abc", (1, 2)
    )
)


def made(point: tuple[Any, ...]) -> Residual:
    unit, spatial, gate, letter, kind, carry, merge, form, copies = point
    transform = replace(UNITS[unit], spatial=SPATIALS[spatial], form=form, copies=copies)
    parts = {"order": ORDERS[letter], "shortcut": Shortcut(kind=kind), "gate": gate, "carry": carry, "merge": merge}
    return replace(SMALL, transform=transform, **parts)


def has_a_meaning(point: tuple[Any, ...]) -> bool:
    unit, spatial, _, letter, kind, carry, merge, form, copies = point
    attention = spatial not in ("plain", "grouped")
    if form != "c" and (unit != "bottleneck" or attention or letter != "a" or copies > 1):
        return False  # Figure 3 of ResNeXt draws branches of an original bottleneck
    if attention and unit == "one convolution":
        return False  # the last convolution ends as the order says, and attention ends in a ReLU
    return kind != "none" or (carry is None and merge == Add())


REASONS = {
    *(f'form = "{form}": only a bottleneck (kernels 1,3,1, at = 1) has this form; use form "c".' for form in "ab"),
    *(
        f'form = "{form}": {kind} has no branches; use form "c".'
        for form in "ab"
        for kind in ("SelectiveKernel", "SplitAttention")
    ),
    *(f'form = "{form}": this form has no copies; use form "c".' for form in "ab"),
    *(f'form = "{form}": this form has only the original order ("a"); use form "c".' for form in "ab"),
    *(
        f"spatial = {kind}: it ends in a ReLU, so it cannot be the last convolution; use at = 0."
        for kind in ("SelectiveKernel", "SplitAttention")
    ),
    *(
        f'{part}: with shortcut.kind = "none" there is no shortcut to join or weigh; use "B".'
        for part in (
            "merge = StochasticDepth",
            "merge = Swapout",
            "carry = Scaled",
            "carry = ExclusiveGate",
            "carry = ShortcutGate",
            "carry = ShortcutDropout",
        )
    ),
}


@pytest.mark.long
def test_the_grid() -> None:
    """How many of all combinations have a meaning, which is decided here too, and why the others have none."""
    assert len(GRID) == 67_500
    accepted, reasons = [], set[str]()
    for point in GRID:
        try:
            accepted.append(made(point))
            found: tuple[str, ...] = ()
        except RequestError as error:
            found = error.findings
        reasons.update(found)
        assert has_a_meaning(point) == (not found), (point, found)
    assert reasons == REASONS
    assert len(REASONS) == 18
    around = 4 * 5 * 3 + 1  # shortcuts with every carry and merge, and none
    form_c, forms_a_b = (3 * 5 - 3) * 2 * 5 * 2, 2 * 2 * 2
    assert len(accepted) == len(set(accepted)) == (form_c + forms_a_b) * around == 15_128
    for spec in random.Random(0).sample(accepted, 40):
        checked(spec)


def checked(spec: Residual) -> nn.Module:
    """What holds for every description that is accepted; its network in eval mode."""
    assert from_document(json.loads(json.dumps(to_document(spec)))) == spec
    torch.manual_seed(0)
    network = build(spec)
    counts = count(build(spec, device="meta"), 16, spec.in_channels)
    assert counts.params == parameters(network) == sum(stage.params for stage in counts.stages)
    x = torch.randn(2, spec.in_channels, 16, 16)
    pixels = x.clone()
    logits = network.train()(x)
    assert logits.shape == (2, spec.num_classes)
    logits.sum().backward()
    may_close = isinstance(spec.merge, StochasticDepth) and spec.merge.per == "batch"
    for name, parameter in network.named_parameters():
        if parameter.grad is None:
            assert may_close, name
            assert name.startswith("layer"), name
        else:
            assert parameter.grad.isfinite().all(), name
    network.eval()
    with torch.no_grad():
        first = network(x)
        assert first.isfinite().all()
        assert torch.equal(first, network(x))
        assert torch.equal(first, copy.deepcopy(network)(x))
        features = network.features(x)
    assert torch.equal(features["logits"], first)
    for tap in network.taps:
        side = -(-16 // tap.stride)
        assert features[tap.name].shape == (2, tap.channels, side, side), tap
    assert torch.equal(x, pixels)
    return network


def part_of(kind: Any, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: kind(**given))


SHARE = st.sampled_from([0.25, 0.5, 1.0])
CARDINALITY = st.sampled_from([1, 2, 4, 8])
RULE = {"rule": st.sampled_from(["linear", "uniform"]), "rescale": st.sampled_from(["test", "train"])}
SPECS = st.fixed_dictionaries(
    {
        "depths": st.sampled_from([(1, 1), (2, 1)]),
        "widths": st.sampled_from([(16, 32), (16, 16), (8, 24)]),
        "transform": st.sampled_from(
            [*UNITS.values(), Transform(kernels=(1, 3, 1), at=1, expansion=2), Transform(kernels=(3, 1, 3), at=2)]
        ),
        "spatial": st.one_of(
            part_of(Grouped, cardinality=CARDINALITY),
            part_of(
                SelectiveKernel,
                cardinality=CARDINALITY,
                kernels=st.sampled_from([((3, 1), (3, 2)), ((3, 1), (1, 1)), ((3, 1), (5, 1), (7, 1))]),
            ),
            part_of(
                SplitAttention,
                cardinality=CARDINALITY,
                radix=st.sampled_from([1, 2, 3]),
                pool=st.sampled_from(["after", "before"]),
            ),
        ),
        "order": st.sampled_from([*ORDERS.values(), *(replace(ORDERS["e"], boundary=b) for b in ("fb", "timm"))]),
        "shortcut": part_of(
            Shortcut,
            kind=st.sampled_from(KINDS),
            project=st.sampled_from(["conv bn", "conv", "avg conv bn", "conv3 bn"]),
            sample=st.sampled_from(["subsample", "avg"]),
            pad=st.sampled_from(["end", "both"]),
        ),
        "carry": st.one_of(
            st.none(),
            part_of(Scaled, skip=st.sampled_from([0.0, 0.5, 1.0]), branch=SHARE),
            st.sampled_from([ExclusiveGate(), ShortcutGate(), ShortcutDropout()]),
        ),
        "gate": st.sampled_from([None, SqueezeExcite(reduction=4)]),
        "merge": st.one_of(
            st.just(Add()),
            part_of(StochasticDepth, last=SHARE, per=st.sampled_from(["batch", "sample"]), **RULE),
            part_of(Swapout, last=st.tuples(SHARE, SHARE), **RULE),
        ),
    },
    optional={
        "stem": part_of(
            Stem,
            layout=st.sampled_from(["cifar", "imagenet", "deep"]),
            width=st.sampled_from([8, 16]),
            words=st.sampled_from(["auto", "bn relu", ""]),
            pool=st.sampled_from(["pad", "ceil"]),
        ),
        "levels": part_of(
            Levels,
            around=st.sampled_from([("stage", "network"), ("stage",), ("network",), ("stage", "stage")]),
            shrink=st.sampled_from(["stride", "max"]),
        ),
        "base_width": st.sampled_from([16, 48, 64, 80]),
        "stride_at": st.integers(0, 2),
        "narrow_first": st.sampled_from([0.01, 0.5, 1]),
        "transform.dropout": st.just(0.3),
        "copies": st.integers(1, 3),
        "form": st.sampled_from(["a", "b"]),
        "conv_bias": st.booleans(),
        "head_dropout": st.just(0.2),
        "in_channels": st.sampled_from([1, 3]),
    },
)


@pytest.mark.long
def test_random_combinations() -> None:
    accepted, refused = set[Residual](), set[str]()

    @settings(max_examples=250, deadline=None, derandomize=True, database=None)
    @given(SPECS)
    def check(delta: dict[str, Any]) -> None:
        try:
            spec = SMALL.but(**delta)
        except RequestError as error:
            refused.update(error.findings)
            return
        checked(spec)
        accepted.add(spec)

    check()
    assert len(accepted) >= 60
    assert len(refused) >= 30
    assert all(text.endswith(".") and " = " in text for text in refused)


RESIDUAL = {id: row.spec for id, row in NETWORKS.items() if isinstance(row.spec, Residual)}


@pytest.mark.parametrize("merge", breadth([StochasticDepth(), Swapout()], StochasticDepth()), ids=str)
def test_every_residual_network_takes_the_rules_that_drop(merge: Any) -> None:
    """Its first unit of each stage, on the meta device in training; no rule adds a parameter."""
    with_shortcuts = [spec for spec in RESIDUAL.values() if not spec.shortcut.absent]
    assert len(with_shortcuts) >= 110
    kinds = {replace(spec, depths=(1,) * len(spec.depths), merge=merge) for spec in with_shortcuts}
    for spec in kinds:
        network = build(spec, device="meta").train()
        side = 2 * spec.stride
        logits = network(torch.empty(2, spec.in_channels, side, side, device="meta"))
        assert logits.shape == (2, spec.num_classes)
        assert parameters(network) == parameters(build(replace(spec, merge=Add()), device="meta"))


MEANINGLESS: list[tuple[dict[str, Any], str]] = [
    ({"cardinality": 3}, "cardinality = 3 does not divide the [16] channels before the spatial convolution; use 1."),
    (
        {"cardinality": 12, "at": 1},
        "cardinality = 12 does not divide the [16, 32] channels after the spatial convolution; use 4.",
    ),
    (
        {"spatial": SplitAttention(cardinality=2, radix=3)},
        "cardinality = 2 times radix = 3 does not divide the [16] channels before the spatial convolution; use 2.",
    ),
    (
        {"transform": BOTTLENECK, "spatial": SplitAttention(cardinality=3)},
        "cardinality = 3 does not divide the [32] channels within the split attention; use 1.",
    ),
    (
        {"transform": BOTTLENECK, "narrow_first": 0.01},
        "narrow_first = 0.01: conv1 would have no channel; use a larger factor.",
    ),
    (
        {"transform": BOTTLENECK, "narrow_first": 0.5, "cardinality": 16, "widths": (8, 16), "base_width": 8},
        "cardinality = 16 does not divide the [8] channels before the spatial convolution; use 8.",
    ),
    (
        {"carry": Scaled(skip=0), "merge": StochasticDepth()},
        "merge = StochasticDepth: with carry.skip = 0 a closed unit lets nothing through; use merge = Add().",
    ),
    (
        {"levels": Levels(around=("stage", "stage"))},
        "levels.around = ('stage', 'stage'): one level is given twice; give (\"stage\",).",
    ),
]


@pytest.mark.parametrize(("delta", "message"), MEANINGLESS, ids=lambda value: str(value)[:40])
def test_what_has_no_meaning_is_refused_with_its_reason(delta: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as error:
        SMALL.but(**delta)
    assert error.value.findings == (message,)


def test_all_reasons_at_once() -> None:
    with pytest.raises(RequestError) as error:
        replace(
            SMALL,
            transform=Transform(spatial=SelectiveKernel(cardinality=3), at=1, form="a", copies=2, narrow_first=0.01),
            order=ORDERS["e"],
            conv_bias=True,
            shortcut=Shortcut(kind="none"),
            merge=Swapout(),
            carry=Scaled(),
            levels=Levels(around=("network", "network")),
        )
    assert len(set(error.value.findings)) == len(error.value.findings) == 12


@pytest.mark.parametrize("cardinality", [1, 2, 4])
@pytest.mark.parametrize("radix", [1, 2, 4])
def test_the_description_knows_the_hidden_width(cardinality: int, radix: int) -> None:
    spatial = SplitAttention(cardinality=cardinality, radix=radix)
    network = build(SMALL.but(transform=BOTTLENECK, widths=(32, 512), spatial=spatial), device="meta")
    for stage, width in (("layer1", 32), ("layer2", 512)):
        first = inside(network, f"{stage}.0.conv2.fc1", nn.Conv2d)
        assert first.out_channels == spatial.hidden_width(width * cardinality)


TOOLED = {
    "attention, gated twice": ("bottleneck", "selective", SqueezeExcite(), "c", "B", ExclusiveGate(), Add(), "c", 1),
    "copies, pre-activation, split": ("basic", "split", None, "e", "C", ShortcutGate(), Swapout(), "c", 2),
    "one convolution, BN after the sum": ("one convolution", "grouped", None, "b", "A", Scaled(), Add(), "c", 1),
    "no shortcut where the shape changes": ("basic", "plain", None, "d", "identity", ShortcutDropout(), Add(), "c", 1),
    "branches, closed by chance": ("bottleneck", "grouped", None, "a", "A", None, StochasticDepth(), "b", 1),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")  # deprecated, and in use
@pytest.mark.parametrize(
    "name",
    breadth(TOOLED, "attention, gated twice", "copies, pre-activation, split", "one convolution, BN after the sum"),
)
def test_tools_of_the_field(name: str) -> None:
    """Compiled whole, exported, traced, mapped over samples and differentiated as a function, with a level around."""
    torch.manual_seed(0)
    spec = replace(made(TOOLED[name]), levels=Levels(shrink="max"))
    network, x = build(spec).eval(), torch.randn(2, 3, 16, 16)
    expected = network(x)
    torch._dynamo.reset()
    for tool in (
        torch.compile(network, fullgraph=True, backend="eager"),
        torch.export.export(network, (x,)).module(),
        torch.jit.trace(network, x),
        torch.func.vmap(lambda picture: network(picture[None])[0]),
    ):
        torch.testing.assert_close(tool(x), expected, rtol=1e-4, atol=1e-4)
    if not isinstance(spec.merge, StochasticDepth):
        compiled = torch.compile(copy.deepcopy(network).train(), fullgraph=True, backend="eager")
        compiled(x).sum().backward()
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()

    def total(values: dict[str, Any], statistics: dict[str, Any]) -> Any:
        return torch.func.functional_call(network, (values, statistics), (x,)).sum()

    gradients = torch.func.grad(total)(dict(network.named_parameters()), buffers)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
