"""Multi-ResNet: Abdi and Nahavandi 2016 (arXiv 1609.05672): k transforms summed in a unit, against the formulas."""

from __future__ import annotations

from typing import Any

import pytest

from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.families.resnet_v2 import STRIDE_FIRST
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from networks.residual_formulas import Network, assert_equal
from networks.test_stochastic_depth import drawn
from networks.test_unit_orders import TINY

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    **{letter: (letter, {"order": ORDERS[letter]}) for letter in "abcde"},
    "e, B": ("e", {"order": ORDERS["e"], "kind": "B", "project": "conv"}),
    "e, bottleneck": (
        "e",
        {"order": ORDERS["e"], "transform": STRIDE_FIRST, "widths": (4, 6), "kind": "B", "project": "conv"},
    ),
    "a, three groups": (
        "a",
        {"transform": BOTTLENECK, "widths": (4, 6), "kind": "B", "cardinality": 3, "base_width": 32},
    ),
}


def test_number_of_networks() -> None:
    assert len(NETWORKS) == 8


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_formula(name: str, copies: int, training: bool) -> None:
    letter, delta = NETWORKS[name]
    assert_equal(Network(TINY.but(copies=copies, **delta), letter, copies=copies), 6, training)


@pytest.mark.parametrize("boundary", ["he", "fb", "timm"])
def test_boundaries(boundary: str) -> None:
    spec = TINY.but(order=ORDERS["e"], boundary=boundary, kind="B", project="conv", copies=2)
    assert_equal(Network(spec, "e", boundary, copies=2), 6, training=True)


def test_a_closed_unit_closes_all_its_transforms() -> None:
    opened: list[bool] = []
    rule = StochasticDepth(last=0.3, rule="uniform")
    for seed in range(1, 5):
        spec = TINY.but(order=ORDERS["e"], copies=3, merge=rule)
        assert_equal(Network(spec, "e", copies=3, join=drawn(rule, opened)), 6, training=True, draws=seed)
    assert True in opened
    assert False in opened


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_first_norms(copies: int) -> None:
    """k in a unit of constant shape, one in a unit that changes it (and in the first, as it activates the stem)."""
    state = build(TINY.but(order=ORDERS["e"], copies=copies)).state_dict()
    for unit, shared in (("layer1.0", True), ("layer1.1", False), ("layer2.0", True), ("layer2.1", False)):
        own = [f"{unit}.copies.{k}.bn1.weight" for k in range(copies)]
        norms = [name for name in state if name.startswith(f"{unit}.") and name.endswith("running_mean")]
        assert len(norms) == (1 + copies if shared else 2 * copies)
        assert len({state[name].data_ptr() for name in own}) == copies
        assert (f"{unit}.bn1.weight" in state) == shared


def test_parameters_grow_by_the_transforms() -> None:
    """One more transform in each of the 4 + 4 + 4 units: two 3x3 convolutions and two norms, or one where shared."""
    wide = find("multiresnet26_w10_k2").spec
    added, channels = 0, 16
    for width in (160, 320, 640):
        for unit in range(4):
            shared = unit == 0
            added += 9 * channels * width + 9 * width * width + 2 * width + (0 if shared else 2 * channels)
            channels = width
    assert count_spec(wide.but(copies=3), 32).params - count_spec(wide, 32).params == added
