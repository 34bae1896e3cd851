"""Every rewrite on a network of every family: proven, or refused with a reason; the table is written down here."""

from __future__ import annotations

import copy
import functools
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.rewrite.fold import unfolded
from cardinet.rewrite.proof import prove
from cardinet.rewrite.steps import REWRITES, Step, apply
from cardinet.rewriting.kinds import KINDS, options
from networks.citizen import Subject
from networks.test_citizen import SMALL, of

pytestmark = pytest.mark.long

STEPS = {
    "strip": Step("strip"),
    "form": Step("form", {"form": "b"}),
    "merge_branches": Step("merge_branches"),
    "fold": Step("fold"),
    "pack": Step("pack", {"width": 1024}),
    "compact": Step("compact"),
    "temperature": Step("temperature", {"temperature": 1.7}),
}

NO_BN = {"alexnet_owt", "googlenet", "highway10_mnist", "vgg16"}
NOT_PRUNABLE = {"highway10_mnist", "repvgg_a0", "resnext29_8x64d", "sknet29_cifar"}
BOTTLENECKS = {"preact164_cifar": False, "resnext29_8x64d": True}
APPLIES: Mapping[str, set[str]] = {
    "strip": set(SMALL),
    "form": {"resnext29_8x64d"},
    "merge_branches": {"repvgg_a0"},
    "fold": set(SMALL) - NO_BN,
    "pack": {"resnest14d", "resnext29_8x64d", "sknet29_cifar"},
    "compact": set(SMALL) - NOT_PRUNABLE,
    "temperature": set(SMALL),
}
"""By rewrite, the networks that it can be done to."""

BN_LEFT = {
    "densenet_bc_100_12": 7,
    "multiresnet26_w10_k2": 1,
    "pre_ror3_164_sd": 5,
    "preact164_cifar": 2,
    "repvgg_a0": 2,
    "swapout20_w4": 2,
}
"""BN layers that no convolution takes: behind concatenations and sums, and of identity branches."""


@functools.cache
def subject_of(id: str) -> Subject:
    return of(id)


def pictures(it: Subject) -> Any:
    return lambda channels: {"random": it.x}


def norms(network: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in network.modules())


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("id", SMALL)
def test_every_rewrite_is_proven_or_refused(id: str) -> None:
    it = subject_of(id)
    before = copy.deepcopy(it.network.state_dict())
    for name, step in STEPS.items():
        if id not in APPLIES[name]:
            with pytest.raises(RequestError) as error:
                apply(it.network, [step])
            assert all(text.endswith(".") for text in error.value.findings)
            continue
        found = prove(it.network, step, pictures(it))
        proof = found.proofs["random"]
        assert proof.float64 <= 1e-10, name
        assert proof.float32 <= 1e-5, name
        structure = apply(build(it.network.spec, device="meta"), [step])
        assert shapes(structure) == shapes(found.network), name
        assert Step.from_document(json.loads(json.dumps(step.to_document()))) == step
    assert all(torch.equal(tensor, before[name]) for name, tensor in it.network.state_dict().items())


def test_size_of_the_table() -> None:
    assert {name: len(ids) for name, ids in APPLIES.items()} == {
        "strip": 25,
        "form": 1,
        "merge_branches": 1,
        "fold": 21,
        "pack": 3,
        "compact": 21,
        "temperature": 25,
    }
    assert sum(map(len, APPLIES.values())) == 97


@pytest.mark.parametrize("id", sorted(APPLIES["fold"]))
def test_which_bn_stays_has_a_reason(id: str) -> None:
    network = subject_of(id).network
    stays = unfolded(network)
    assert norms(apply(network, [STEPS["fold"]])) == len(stays) == BN_LEFT.get(id, 0)
    assert all(why for why in stays.values())


def test_reasons_name_what_stands_in_the_way() -> None:
    reasons = Counter(why for id in BN_LEFT for why in unfolded(subject_of(id).network).values())
    assert reasons["it follows a concatenation"] == 7
    assert set(reasons) == {
        "it follows a concatenation",
        "it follows a sum of more than convolutions",
        "another layer reads its input too",
    }


PIPELINES = {
    "repvgg_a0": ["merge_branches"],
    "resnext29_8x64d": ["form", "fold"],
    "sd110_cifar": ["strip", "fold"],
    "swapout20_w4": ["strip", "fold"],
    "inception_v3": ["strip", "fold"],
    "fractalnet20_droppath": ["strip", "fold"],
    "resnest14d": ["fold", "pack"],
}


@pytest.mark.parametrize("id", PIPELINES)
def test_steps_compose(id: str) -> None:
    it = subject_of(id)
    network: nn.Module = it.network
    for name in PIPELINES[id]:
        network = prove(network, STEPS[name], pictures(it)).network
    steps = [STEPS[name] for name in PIPELINES[id]]
    assert shapes(apply(build(it.network.spec, device="meta"), steps)) == shapes(network)
    if "strip" in PIPELINES[id]:
        quiet = copy.deepcopy(network).train()
        with torch.no_grad():
            first: Tensor = quiet(it.x)
            assert torch.equal(first, quiet(it.x))


INTERNAL = {"compact", "narrow"}
"""Steps of a pruning, for which nobody asks by name."""


def test_every_rewrite_can_be_asked_for() -> None:
    assert set(KINDS) == set(REWRITES) - INTERNAL
    assert len(KINDS) == 12
    assert [option.name for option in options()] == [
        *("strip", "classes", "in_channels", "deepen", "widen", "seed", "form", "merge_branches", "fold", "unfold"),
        *("pack", "unpack", "temperature", "prune", "keep_macs", "epochs"),
    ]


@pytest.mark.parametrize("name", KINDS)
def test_a_value_of_another_type_is_refused_by_name(name: str) -> None:
    """As Python can give one; the command line reads values by their declared type."""
    values: list[object] = [3.5, None, {}, [1]]
    for wrong in values:
        if wrong == 3.5 and KINDS[name].option.type is float:
            continue
        with pytest.raises(RequestError, match=name.replace("_", "[_-]")):
            KINDS[name].read(wrong)
