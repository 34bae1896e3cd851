"""What weighs shortcut against branch: He et al. 2016, Table 1 (arXiv 1603.05027), against the formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.carry import ShortcutGate as GateModule
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.parts.carry import ExclusiveGate, Scaled, ShortcutDropout, ShortcutGate
from cardinet.networks.registry import find
from inside import inside
from networks.residual_formulas import Branch, Formulas, Join, Network, assert_equal, plain_sum
from networks.test_unit_orders import SHORTCUTS, TINY


def scaled(skip_factor: float, branch_factor: float) -> Join:
    def join(own: Formulas, at: str, skip: Tensor | None, branch: Branch) -> Tensor:
        return branch() if skip is None else skip_factor * skip + branch_factor * branch()

    return join


def gated(exclusive: bool) -> Join:
    """(1 - g) skip + F or (1 - g) skip + g F, g = 1 / (1 + exp(-(W skip + b)))."""

    def join(own: Formulas, at: str, skip: Tensor | None, branch: Branch) -> Tensor:
        if skip is None:
            return branch()
        g = 1 / (1 + torch.exp(-own.conv(skip, f"{at}.carry.conv")))
        return (1 - g) * skip + (g * branch() if exclusive else branch())

    return join


def dropped(rate: float) -> Join:
    """A share `rate` of the shortcut's elements zero and the others divided by 1 - rate; in testing the plain sum."""

    def join(own: Formulas, at: str, skip: Tensor | None, branch: Branch) -> Tensor:
        if own.training and skip is not None:
            skip = skip * torch.empty(skip.shape, dtype=skip.dtype).bernoulli_(1 - rate) / (1 - rate)
        return plain_sum(own, at, skip, branch)

    return join


# The rows of the paper's Table 1: what multiplies the shortcut, what multiplies F.
ABLATION: dict[str, tuple[dict[str, Any], Join]] = {
    "original": ({}, plain_sum),
    "constant scaling 0, 1 (plain)": ({"carry": Scaled(skip=0, branch=1)}, scaled(0, 1)),
    "constant scaling 0.5, 1": ({"carry": Scaled(skip=0.5, branch=1)}, scaled(0.5, 1)),
    "constant scaling 0.5, 0.5": ({"carry": Scaled()}, scaled(0.5, 0.5)),
    "exclusive gating -6": ({"carry": ExclusiveGate()}, gated(True)),
    "exclusive gating -7": ({"carry": ExclusiveGate(gate_bias=-7)}, gated(True)),
    "exclusive gating 0": ({"carry": ExclusiveGate(gate_bias=0)}, gated(True)),
    "shortcut-only gating 0": ({"carry": ShortcutGate(gate_bias=0)}, gated(False)),
    "shortcut-only gating -6": ({"carry": ShortcutGate()}, gated(False)),
    "1x1 conv shortcut": ({"kind": "C"}, plain_sum),
    "dropout shortcut": ({"carry": ShortcutDropout()}, dropped(0.5)),
}
SETTINGS: dict[str, dict[str, Any]] = {**SHORTCUTS, "identity": {"kind": "identity"}}


def test_number_of_cases() -> None:
    assert len(ABLATION) == 11
    assert len(SETTINGS) == 7


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("case", ABLATION)
def test_the_ablation_is_the_formula(case: str, training: bool) -> None:
    delta, join = ABLATION[case]
    assert_equal(Network(TINY.but(**delta), join=join), 6, training)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("case", [case for case in ABLATION if "carry" in ABLATION[case][0]])
def test_with_every_shortcut(case: str, setting: str, training: bool) -> None:
    """Also where a unit has no shortcut: nothing is weighed there."""
    delta, join = ABLATION[case]
    assert_equal(Network(TINY.but(**delta, **SETTINGS[setting]), join=join), 6, training)


@pytest.mark.parametrize("part", [ExclusiveGate, ShortcutGate])
@pytest.mark.parametrize("bias", [-6.0, -7.0, 0.0])
@pytest.mark.parametrize("init", ["torchvision", "paper"])
def test_the_bias_begins_as_asked(part: type, bias: float, init: str) -> None:
    network = build(TINY.but(carry=part(gate_bias=bias)), init=init)
    gates = [module for module in network.modules() if isinstance(module, GateModule)]
    assert len(gates) == 4
    for gate in gates:
        assert torch.equal(gate.get_parameter("conv.bias"), torch.full_like(gate.get_parameter("conv.bias"), bias))
        assert gate.conv.weight.std() > 0


@pytest.mark.parametrize(("part", "kept"), [(ShortcutGate, (1, 1)), (ExclusiveGate, (1, 0))])
def test_a_gate_that_is_shut_keeps_the_shortcut(part: type, kept: tuple[int, int]) -> None:
    """b -> -inf: g = 0, the shortcut as it is, beside T or nothing; b -> inf: no shortcut beside T."""
    torch.manual_seed(0)
    unit = inside(build(TINY.but(carry=part())).double().eval(), "layer1.1", ResidualUnit)
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64).relu()
    branch = unit.branch(x)
    for bias, (skip_factor, branch_factor) in ((-1000.0, kept), (1000.0, (0, 1))):
        nn.init.constant_(unit.get_parameter("carry.conv.bias"), bias)
        assert torch.equal(unit(x), torch.relu(skip_factor * x + branch_factor * branch))


def test_gates_have_one_convolution_with_bias_per_unit() -> None:
    """ResNet-110: 18 units each of 16, 32 and 64 channels."""
    resnet110 = find("resnet110_cifar").spec
    added = sum(18 * (width * width + width) for width in (16, 32, 64))
    for part in (ExclusiveGate, ShortcutGate):
        found = count_spec(resnet110.but(carry=part()), 32)
        assert found.params - count_spec(resnet110, 32).params == added == 98_784


def test_a_branch_without_weight_is_refused() -> None:
    with pytest.raises(RequestError, match=r"branch = 0"):
        TINY.but(carry=Scaled(), branch=0)
