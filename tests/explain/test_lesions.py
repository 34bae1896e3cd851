"""Lesions against a forward pass that is edited by hand, and what an experiment may not change."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.explain.chain import chain_of
from cardinet.explain.lesions import measure, variations
from cardinet.explain.random_lesions import deletions, exchanges, keepings, tau
from cardinet.explain.units import editable
from cardinet.networks.registry import find

SMALL: dict[str, dict[str, Any]] = {
    "resnet20_cifar": {"depths": (2, 2, 1), "widths": (4, 8, 8), "stem.width": 4},
    "preact110_cifar": {"depths": (2, 2, 1), "widths": (4, 8, 8), "stem.width": 4},
    "plain20_cifar": {"depths": (2, 2, 1), "widths": (4, 8, 8), "stem.width": 4},
    "resnext29_1x64d": {"depths": (1, 2, 1), "widths": (8, 8, 8), "stem.width": 8, "cardinality": 2},
    "seresnet18": {"depths": (1, 2, 1, 1), "widths": (8, 8, 8, 8), "stem.width": 8},
    "ror3_56": {"depths": (2, 2, 2), "widths": (4, 8, 8), "stem.width": 4},
    "dfn_mr1": {"depths": (2, 2, 2), "widths": (4, 8, 8)},
    "dfn_il1": {"depths": (2, 2, 2), "widths": (4, 8, 8)},
    "fusenet_fuse3_26": {"widths": (4, 8, 8)},
    "densenet_40_12": {"depths": (2, 2, 2), "growth": 4, "stem_width": 8},
    "fractalnet20": {"widths": (4, 8), "dropout": (0, 0)},
    "highway10_mnist": {},
    "vgg16": {"depths": (2, 2), "widths": (4, 8)},
    "repvgg_a0": {"depths": (2, 2), "widths": (4, 8)},
    "inception_resnet_v2": {},
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
    chain, expected = chain_of(network), network(x)
    states = chain.states(x)
    assert torch.equal(states[-1].x, expected)
    for start in range(0, len(chain.steps), 3):
        assert torch.equal(chain.logits(states[start], start), expected)


def test_how_many_kinds_there_are() -> None:
    assert len(SMALL) == 15
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
        "RepVGGBlock": identity,
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
    "dfn_mr1",
    "dfn_il1",
    "fusenet_fuse3_26",
    "densenet_40_12",
    "highway10_mnist",
]


@pytest.mark.parametrize("name", BY_HAND)
@torch.no_grad()
def test_every_deletion_equals_a_pass_edited_by_hand(name: str) -> None:
    network = made(name)
    x = pictures(network)
    states = chain_of(network).states(x)
    names = [unit.name for unit in editable(network).units]
    assert len(names) >= 3
    for i, unit in enumerate(names):
        edited = editable(network)
        start = edited.delete([i])
        found = edited.chain.logits(states[start], start)
        torch.testing.assert_close(found, after(network, unit, x), msg=unit)
        assert not torch.allclose(found, network(x))


@torch.no_grad()
def test_a_convolution_of_vgg_is_left_out() -> None:
    network = made("vgg16")
    x = pictures(network)
    (one, two) = (unit.name for unit in editable(network).units)
    assert (one, two) == ("conv1_2", "conv2_2")
    y = network.get_submodule("pool1")(F.relu(network.get_submodule("conv1_1")(x)))
    for child in network.body_names[network.body_names.index("pool1") + 1 :]:
        y = network.get_submodule(child)(y)
    edited = editable(network)
    start = edited.delete([0])
    found = edited.chain.logits(chain_of(network).states(x)[start], start)
    torch.testing.assert_close(found, network.forward_head(y))


@torch.no_grad()
def test_a_column_of_a_fractal_block_leaves_the_joins() -> None:
    network = made("fractalnet20")
    x = pictures(network)
    edited = editable(network)
    assert [unit.name for unit in edited.units][:3] == [f"layer1, column {c}" for c in range(3)]
    edited.delete([1, 2])  # only column 0 is left in block 1: one unit, then the pool
    block: Any = network.get_submodule("layer1")
    expected = network.forward_head(network.get_submodule("layer2")(block.pool(block.columns["0"][0](x))))
    torch.testing.assert_close(edited.chain.logits(chain_of(network).states(x)[0], 0), expected)


def score(network: Classifier, edits: Any, train: bool = True) -> Any:
    x = pictures(network, 24)
    labels = torch.arange(24) % 5
    batches = [(x[:16], labels[:16]), (x[16:], labels[16:])]
    changed = variations(network, edits)
    measure(network, changed, lambda: batches, (lambda: batches) if train else None)
    return changed, batches


def test_scores_count_every_picture_and_nothing_else_changes() -> None:
    network = made("resnet20_cifar").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    (whole, one), batches = score(network, [("whole", lambda e: e.delete(())), ("one", lambda e: e.delete([1]))])
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    network.eval()
    wrong = sum(int((network(x).argmax(1) != labels).sum()) for x, labels in batches)
    assert (whole.as_is.wrong, whole.as_is.count) == (wrong, 24)
    assert one.as_is.count == one.estimated.count == 24
    assert whole.as_is.loss != one.as_is.loss


def test_estimated_statistics_are_the_means_over_the_batches_behind_the_lesion() -> None:
    network = made("resnet20_cifar")
    (one,), batches = score(network, [("one", lambda e: e.delete([2]))])
    norms: dict[str, Any] = dict(one.twin.network.named_modules())
    before: dict[str, Any] = dict(network.named_modules())
    assert torch.equal(norms["layer1.0.bn1"].running_mean, before["layer1.0.bn1"].running_mean)  # before the lesion
    edited = editable(network)
    start = edited.delete([2])
    means, after_it = [], edited.chain.steps[start + 1]
    unit: Any = after_it.module
    with torch.no_grad():
        for x, _ in batches:
            state = chain_of(network).states(x)[start]
            means.append(unit.conv1(edited.chain.run(state, start, start + 1).x).mean((0, 2, 3)))
    name = f"{after_it.name}.bn1"
    torch.testing.assert_close(norms[name].running_mean, torch.stack(means).mean(0))


def test_random_experiments_are_what_they_say() -> None:
    network = made("resnet20_cifar")
    found = editable(network)
    units = len(found.units)
    assert [choice.x for choice in deletions(found, random.Random(0), 3, 2)] == [1, 1, 3, 3, 5, 5]
    kept = keepings(found, random.Random(0), 2, 1)
    assert [choice.x for choice in kept] == [1, units]
    (whole, all_kept), _ = score(network, [("whole", lambda e: e.delete(())), ("kept", kept[-1].edit)], train=False)
    assert all_kept.as_is == whole.as_is
    first = [choice.x for choice in exchanges(found, random.Random(0), 2, 3)]
    assert first == [choice.x for choice in exchanges(found, random.Random(0), 2, 3)]


@torch.no_grad()
def test_units_change_places() -> None:
    network = made("plain20_cifar")
    x = pictures(network)
    edited = editable(network)
    start = edited.reorder([1, 0, *range(2, len(edited.units))])
    network.layer1[0], network.layer1[1] = network.layer1[1], network.layer1[0]  # type: ignore[index,operator]
    expected = network(x)
    network.layer1[0], network.layer1[1] = network.layer1[1], network.layer1[0]  # type: ignore[index,operator]
    torch.testing.assert_close(edited.chain.logits(chain_of(network).states(x)[start], start), expected)


def test_tau_by_counting_pairs() -> None:
    order = [2, 0, 3, 1, 4]
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    signs = [1 if order[i] < order[j] else -1 for i, j in pairs]
    assert tau(order) == pytest.approx(sum(signs) / len(pairs))
