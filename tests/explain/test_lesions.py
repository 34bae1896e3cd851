"""Lesions against a forward pass that is edited by hand, and what an experiment may not change."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from breadth import breadth
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.explain.chain import chain_of
from cardinet.explain.lesions import estimates_of, measure
from cardinet.explain.random_lesions import alike, deletions, exchanges, tau
from cardinet.explain.units import Changed, Deletion, editable
from cardinet.networks.registry import NETWORKS, find
from explain.models import unchanged

SMALL: dict[str, dict[str, Any]] = {
    "resnet20_cifar": {"depths": (2, 2, 1), "widths": (4, 8, 8), "stem.width": 4},
    "preact110_cifar": {"depths": (2, 2, 1), "widths": (4, 8, 8), "stem.width": 4},
    "plain20_cifar": {"depths": (2, 2, 1), "widths": (4, 8, 8), "stem.width": 4},
    "resnext29_1x64d": {"depths": (1, 2, 1), "widths": (8, 8, 8), "stem.width": 8, "cardinality": 2},
    "seresnet18": {"depths": (1, 2, 1, 1), "widths": (8, 8, 8, 8), "stem.width": 8},
    "ror3_56": {"depths": (2, 2, 2), "widths": (4, 8, 8), "stem.width": 4},
    "pre_ror3_164_sd": {"depths": (2, 2, 2), "widths": (4, 8, 8), "stem.width": 4},
    "dfn_mr1": {"depths": (2, 2, 2), "widths": (4, 8, 8)},
    "dfn_il1": {"depths": (2, 2, 2), "widths": (4, 8, 8)},
    "fusenet_fuse3_26": {"widths": (4, 8, 8)},
    "densenet_40_12": {"depths": (2, 2, 2), "growth": 4, "stem_width": 8},
    "fractalnet20": {"widths": (4, 8), "dropout": (0, 0)},
    "highway10_mnist": {},
    "vgg16": {"depths": (2, 2), "widths": (4, 8)},
    "repvgg_a0": {"depths": (2, 3), "widths": (4, 8)},
    "inception_resnet_v2": {"stages": tuple(stage[:2] for stage in find("inception_resnet_v2").spec.stages)},
}


def made(name: str) -> Classifier:
    torch.manual_seed(0)
    network = build(find(name).spec.but(num_classes=5, **SMALL[name]))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.normal_(0, 0.1)
    return network.eval()


def pictures(network: Classifier, count: int = 3) -> Tensor:
    side = {"inception_resnet_v2": 96, "highway10_mnist": 28}.get(network_name(network), 32)
    return torch.randn(count, network.spec.in_channels, side, side, generator=torch.Generator().manual_seed(1))


def network_name(network: Classifier) -> str:
    return next(name for name in SMALL if type(network.spec) is type(find(name).spec) and _fits(network, name))


def _fits(network: Classifier, name: str) -> bool:
    return bool(network.spec == find(name).spec.but(num_classes=5, **SMALL[name]))


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_chain_gives_the_logits_of_the_network_from_every_step(name: str) -> None:
    network = made(name)
    x = pictures(network)
    chain, expected, before = chain_of(network), network(x), x.clone()
    every = range(len(chain.steps) + 1)
    assert torch.equal(chain.states(x)[-1].x, expected)
    found = {start: chain.logits(state, start) for start, state in chain.before(x, every)}
    assert list(found) == [*every]
    assert all(torch.equal(logits, expected) for logits in found.values())
    assert torch.equal(x, before)


def test_how_many_kinds_there_are() -> None:
    assert len(SMALL) == 16
    assert {type(find(name).spec).__name__ for name in SMALL} >= {
        "Residual",
        "MergeAndRun",
        "DeeplyFused",
        "DenseNet",
        "FractalNet",
        "Highway",
        "VGG",
        "RepVGG",
        "Inception",
    }


def lesioned(network: Classifier, changed: Changed, x: Tensor) -> Tensor:
    """The logits of a changed network, continued from the state before its first change."""
    (state,) = (state for _, state in chain_of(network).before(x, {changed.start}))
    return changed.chain.logits(state, changed.start)


def after(network: Classifier, name: str, x: Tensor) -> Tensor:
    """The logits without a unit, by hand: a forward pass in which that module gives something else."""
    unit = network.get_submodule(name)

    def residual(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        (x,) = inputs
        if module.shares_pre:
            x = module.pre(x)
        skip = module.downsample(x)
        for word in module.after_names:
            skip = F.relu(skip) if word == "relu" else getattr(module, word)(skip)
        found: Tensor = skip
        return found

    def scaled(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return F.relu(inputs[0])

    def identity(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return inputs[0]

    def no_maps(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    def merged(module: Any, inputs: tuple[tuple[Tensor, Tensor]], output: Any) -> Any:
        first, second = inputs[0]
        m = F.relu((module.shallow1(first) + module.shallow2(second)) / 2)
        return m if module.ends else (m, m)

    def shallow(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return F.relu(module.shallow(inputs[0]))

    kinds = {
        "GroupedUnit": identity if type(getattr(unit, "downsample", None)).__name__ == "Absent" else residual,
        "HighwayLayer": identity,
        "DenseLayer": no_maps,
        "MergeAndRunBlock": merged,
        "FusedBlock": shallow,
        "TrainingBlock": identity,
        "ScaledResidual": scaled,
    }
    handle = unit.register_forward_hook(kinds[type(unit).__name__])
    try:
        logits: Tensor = network(x)
    finally:
        handle.remove()
    return logits


BY_HAND = [
    "resnet20_cifar",
    "preact110_cifar",
    "plain20_cifar",
    "resnext29_1x64d",
    "seresnet18",
    "ror3_56",
    "pre_ror3_164_sd",
    "dfn_mr1",
    "dfn_il1",
    "fusenet_fuse3_26",
    "densenet_40_12",
    "highway10_mnist",
    "repvgg_a0",
    "inception_resnet_v2",
]


@pytest.mark.parametrize("name", BY_HAND)
@torch.no_grad()
def test_every_deletion_equals_a_pass_edited_by_hand(name: str) -> None:
    network = made(name)
    x = pictures(network)
    found = editable(network)
    whole = network(x)
    assert len(found.units) >= 3
    for i, unit in enumerate(found.units):
        logits = lesioned(network, found.deleted([i]), x)
        torch.testing.assert_close(logits, after(network, unit.name, x), msg=unit.name)
        assert not torch.allclose(logits, whole)
    assert torch.equal(lesioned(network, found.deleted([]), x), whole)  # a deletion leaves nothing behind


def test_how_many_kinds_are_edited_by_hand() -> None:
    assert len(BY_HAND) == 14


@torch.no_grad()
def test_a_convolution_of_vgg_is_left_out() -> None:
    network = made("vgg16")
    x = pictures(network)
    found = editable(network)
    assert [unit.name for unit in found.units] == ["conv1_2", "conv2_2"]
    assert found.fixed == ("conv1_1", "conv2_1")
    y = network.get_submodule("pool1")(F.relu(network.get_submodule("conv1_1")(x)))
    for child in network.body_names[network.body_names.index("pool1") + 1 :]:
        y = network.get_submodule(child)(y)
    torch.testing.assert_close(lesioned(network, found.deleted([0]), x), network.forward_head(y))


@torch.no_grad()
def test_a_column_of_a_fractal_block_leaves_the_joins() -> None:
    network = made("fractalnet20")
    x = pictures(network)
    found = editable(network)
    assert [unit.name for unit in found.units][:3] == [f"layer1, column {c}" for c in range(3)]
    block: Any = network.get_submodule("layer1")
    short = network.forward_head(network.get_submodule("layer2")(block.pool(block.columns["0"][0](x))))
    every = [[1, 2], [2, 1], [0, 1, 2], [1, 2, 0], [2, 0, 1]]  # only column 0 is left: one unit, then the pool
    for order in every:
        torch.testing.assert_close(lesioned(network, found.deleted(order), x), short)


def batches_of(network: Classifier) -> list[tuple[Tensor, Tensor]]:
    x, labels = pictures(network, 12), torch.arange(12) % 5
    return [(x[:8], labels[:8]), (x[8:], labels[8:])]


def wrong_answers(network: Classifier, changed: Changed) -> int:
    """Counted by passes through the whole changed chain."""
    return sum(int((changed.chain.states(x)[-1].x.argmax(1) != labels).sum()) for x, labels in batches_of(network))


@pytest.mark.parametrize("name", breadth(SMALL, "inception_resnet_v2"))
def test_scores_count_every_picture_and_the_network_stays_as_it_was(name: str) -> None:
    network = made(name)
    batches, found = batches_of(network), editable(network)
    asked = [found.deleted(()), found.deleted([0]), found.deleted(range(len(found.units)))]
    with unchanged(network):
        scores = measure(found, asked, lambda: batches, lambda: batches)
    with torch.no_grad():
        whole = sum(int((network(x).argmax(1) != labels).sum()) for x, labels in batches)
        assert scores[0].as_is.wrong == whole  # nothing deleted: the network's own error
        assert [one.as_is.wrong for one in scores] == [wrong_answers(network, one) for one in asked]
    for one in scores:
        assert one.estimated is not None
        assert one.as_is.count == one.estimated.count == 12
    assert scores[0].estimated == scores[0].as_is  # there is nothing behind the change


def test_estimated_statistics_equal_a_computation_by_hand_in_float64() -> None:
    network = made("resnet20_cifar").double()
    found = editable(network)
    changed = found.deleted([2])
    estimates = estimates_of(changed)
    names = {module: name for name, module in zip_modules(network, found.chain.steps)}
    assert "layer1.1.bn2" not in [names[norm] for norm in estimates.norms]  # before the lesion
    batches = [x.double() for x, _ in batches_of(network)]
    with torch.no_grad():
        for x in batches:
            (state,) = (state for _, state in found.chain.before(x, {changed.start}))
            with estimates.collecting():
                changed.chain.logits(state, changed.start)
    # the unit behind the lesion, by hand: conv1 of layer2.1, normalised by the batch, ReLU, conv2
    unit: Any = network.get_submodule("layer2.1")
    first: list[tuple[Tensor, Tensor]] = []
    second: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for x in batches:
            for child in network.body_names[: network.body_names.index("layer2")]:
                x = network.get_submodule(child)(x)
            y = unit.conv1(F.relu(network.get_submodule("layer2.0").get_submodule("downsample")(x)))
            first.append((y.mean((0, 2, 3)), y.var((0, 2, 3), correction=1)))
            mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, correction=0)
            y = (y - mean) / (variance + unit.bn1.eps).sqrt()
            y = unit.conv2(F.relu(y * unit.bn1.weight[:, None, None] + unit.bn1.bias[:, None, None]))
            second.append((y.mean((0, 2, 3)), y.var((0, 2, 3), correction=1)))
    kept = dict(zip((names[norm] for norm in estimates.norms), estimates.buffers, strict=True))
    for name, values in (("layer2.1.bn1", first), ("layer2.1.bn2", second)):
        for key, by_hand in zip(("running_mean", "running_var"), zip(*values, strict=True), strict=True):
            torch.testing.assert_close(kept[name][key], torch.stack(by_hand).mean(0), rtol=1e-10, atol=1e-12)


def zip_modules(network: Classifier, steps: Any) -> Any:
    """The names of the modules of a chain's steps."""
    for step in steps:
        if step.unit:
            for name, module in step.module.named_modules():
                yield f"{step.name}.{name}", module


def test_deletions_are_distinct_draws_from_none_to_all() -> None:
    network = made("resnet20_cifar")
    found = editable(network)
    chosen = deletions(found, random.Random(0), 9, 3)
    assert Counter(int(one.x) for one in chosen) == {0: 1, 1: 3, 2: 3, 3: 3, 4: 3, 5: 1}
    for one in chosen:
        closed = [a is not b for a, b in zip(one.changed.chain.steps, found.chain.steps, strict=True)]
        assert sum(closed) == one.x
    for k in range(1, 5):
        steps = [tuple(map(id, one.changed.chain.steps)) for one in chosen if one.x == k]
        places = {tuple(a == id(b) for a, b in zip(ids, found.chain.steps, strict=True)) for ids in steps}
        assert len(places) == 3
    again = deletions(found, random.Random(0), 9, 3)
    assert [one.changed.start for one in chosen] == [one.changed.start for one in again]
    assert [one.x for one in deletions(found, random.Random(0), 2, 1)] == [0, 1, 4, 5]


@torch.no_grad()
def test_all_deleted_is_the_shortcut_path_by_hand() -> None:
    network = made("resnet20_cifar")
    x = pictures(network)
    found = editable(network)
    y = F.relu(network.get_submodule("bn1")(network.get_submodule("conv1")(x)))
    for unit in found.units:
        y = F.relu(network.get_submodule(unit.name).get_submodule("downsample")(y))
    logits = lesioned(network, found.deleted(range(len(found.units))), x)
    torch.testing.assert_close(logits, network.forward_head(y))


@torch.no_grad()
def test_units_change_places() -> None:
    network = made("plain20_cifar")
    x = pictures(network)
    found = editable(network)
    order = range(len(found.units))
    same = found.reordered([*order])
    assert same.start == len(found.chain.steps)
    assert torch.equal(lesioned(network, same, x), network(x))
    changed = found.reordered([1, 0, *order[2:]])
    layer: Any = network.layer1
    layer[0], layer[1] = layer[1], layer[0]
    expected = network(x)
    layer[0], layer[1] = layer[1], layer[0]
    torch.testing.assert_close(lesioned(network, changed, x), expected)


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("resnet20_cifar", [3, 2, 2]),
        ("plain20_cifar", [3, 2, 2]),
        ("vgg16", [2, 2, 3]),  # conv3_2 and conv3_3, conv4_2 and conv4_3, conv5_1 to conv5_3
        ("densenet_40_12", []),
        ("fractalnet20", []),
        ("dfn_mr2", [5, 4, 3]),  # not the projections, nor the last block, which ends the streams
    ],
)
def test_which_units_can_change_places(name: str, pairs: list[int]) -> None:
    found = editable(build(find(name).spec, device="meta"))
    assert [len(group) for group in alike(found)] == pairs
    chosen = exchanges(found, random.Random(0), 3, 2)
    assert bool(chosen) == bool(pairs)
    if chosen:
        assert (chosen[0].x, chosen[0].changed.start) == (1.0, len(found.chain.steps))
        assert all(-1 <= one.x <= 1 for one in chosen)


def test_tau_by_counting_pairs() -> None:
    order = [2, 0, 3, 1, 4]
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    signs = [1 if order[i] < order[j] else -1 for i, j in pairs]
    assert tau(order) == pytest.approx(sum(signs) / len(pairs))


def test_every_family_has_units_or_is_refused() -> None:
    kinds = set()
    smallest: dict[type, str] = {}
    for row in NETWORKS.values():
        smallest.setdefault(type(row.spec), row.id)
    for name in smallest.values():
        found = editable(build(find(name).spec, device="meta"))
        assert found.units, name
        assert not {unit.name for unit in found.units} & set(found.fixed)
        kinds |= {unit.deletion for unit in found.units}
    assert len(smallest) == 11
    assert kinds == set(Deletion)
