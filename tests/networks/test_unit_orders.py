"""The orders of norm and activation of He et al. 2016, Figure 4, and their boundaries, against the formulas."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from cardinet.build.builder import build
from cardinet.networks.delta import with_delta
from cardinet.networks.parts.order import ORDERS, Order
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK, Transform
from cardinet.networks.residual import Residual
from networks.residual_formulas import Network, assert_equal

TINY = Residual(depths=(2, 2), widths=(8, 12), stem=Stem(layout="cifar", width=8), num_classes=5, in_channels=2).but(
    kind="A"
)
UNITS: dict[str, dict[str, Any]] = {
    "basic": {},
    "bottleneck": {"transform": BOTTLENECK, "widths": (4, 6)},
    "bottleneck, stride first": {"transform": Transform(kernels=(1, 3, 1), at=1, expansion=4), "widths": (4, 6)},
    "one convolution": {"transform": Transform(kernels=(3,))},
    "three groups": {"transform": BOTTLENECK, "widths": (4, 6), "cardinality": 3, "base_width": 32},
}
SHORTCUTS: dict[str, dict[str, Any]] = {
    "A, end": {"pad": "end"},
    "A, both": {"pad": "both"},
    "A, means": {"sample": "avg"},
    "B": {"kind": "B"},
    "B, bare": {"kind": "B", "project": "conv"},
    "C": {"kind": "C"},
}
BOUNDARIES = ["he", "fb", "timm"]


def network(letter: str, boundary: str, **delta: Any) -> Network:
    order = with_delta(ORDERS[letter], {"boundary": boundary})
    return Network(TINY.but(order=order, **delta), letter, boundary)


CASES = {
    **{f"{letter}, {unit}": (letter, "he", UNITS[unit]) for letter, unit in itertools.product("abcde", UNITS)},
    **{f"{letter}, {name}": (letter, "he", SHORTCUTS[name]) for letter, name in itertools.product("ade", SHORTCUTS)},
    **{
        f"{letter}, {boundary}, {unit}, {project}": (letter, boundary, {"kind": "B", "project": project, **UNITS[unit]})
        for letter, boundary in itertools.product("de", BOUNDARIES)
        for unit, project in itertools.product(("basic", "bottleneck"), ("conv", "conv bn"))
    },
}  # fmt: skip


def test_number_of_cases() -> None:
    assert len(CASES) == 25 + 18 + 24


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("case", CASES)
def test_the_order_is_the_formula(case: str, training: bool) -> None:
    letter, boundary, delta = CASES[case]
    assert_equal(network(letter, boundary, **delta), 6, training)


@pytest.mark.parametrize("sample", ["subsample", "avg"])
@pytest.mark.parametrize("letter", "ae")
def test_pictures_of_odd_size(letter: str, sample: str) -> None:
    """A strided convolution keeps half of the pixels, rounded up; so do both ways to shrink the shortcut."""
    assert_equal(network(letter, "he", sample=sample), 7, training=True)


def test_the_orders_differ() -> None:
    """The same formulas with another letter's order of the same tensors fail: (a) against (c), he against timm."""
    wrong = network("a", "he")
    wrong.letter = "c"
    with pytest.raises(AssertionError):
        assert_equal(wrong, 6, training=False)
    wrong = network("e", "he", kind="B")
    wrong.boundary = "timm"
    with pytest.raises(AssertionError):
        assert_equal(wrong, 6, training=False)


NORMS = {"a": 1 + 4 * 2, "b": 1 + 4 * 2, "c": 1 + 4 * 2, "d": 4 * 2, "e": 4 * 2 + 1}


@pytest.mark.parametrize("letter", NORMS)
def test_number_of_norms(letter: str) -> None:
    """Two in each of the four units, in (a) to (c) one of the stem, in (e) one that closes."""
    state = build(network(letter, "he").spec).state_dict()
    assert sum(name.endswith("running_mean") for name in state) == NORMS[letter]


@pytest.mark.parametrize("kind", ["none", "identity", "A"])
def test_two_activations_in_a_row_train(kind: str) -> None:
    """(c) with a ReLU after the sum too: without a shortcut the second must not overwrite what the first left."""
    spec = TINY.but(order=Order(last="bn relu", after="relu"), kind=kind)
    network = build(spec).train()
    network(torch.randn(2, 2, 6, 6)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
