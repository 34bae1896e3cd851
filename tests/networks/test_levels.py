"""RoR: Zhang et al. 2016 (arXiv 1608.02908): shortcuts around units, stages and the network, against the formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks.levels import LevelStage
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.build.builder import build
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from inside import inside
from networks.residual_formulas import Formulas, Network, assert_equal, positive
from networks.test_stochastic_depth import NAMES, drawn
from networks.test_unit_orders import TINY


@dataclass
class Ror(Network):
    """The stages with a projection (1x1, BN) around each and one around all.

    Where a unit, a stage and the network end together there is one activation, after the last sum (in (b) with the
    BN of the outermost level). With `pools` a stage begins with a 2x2 max pool and all units keep the size.
    """

    around: tuple[str, ...] = ("stage", "network")
    pools: bool = False

    def stages(self, own: Formulas, x: Tensor) -> Tensor:
        root, depths = x, self.spec.depths
        for stage, depth in enumerate(depths, 1):
            if self.pools and stage > 1:
                x = largest_of_2x2(x)
            stride = 2 if stage > 1 and not self.pools else 1
            start, within = x, "units." if (self.pools and stage > 1) or "stage" in self.around else ""
            last_stage = stage == len(depths)
            for i in range(depth):
                ends = i == depth - 1 and ("stage" in self.around or last_stage)
                at = f"layer{stage}.{within}{i}"
                x = self.unit(own, x, at, stride if i == 0 else 1, activate=not ends)
            if "stage" in self.around:
                x = x + own.project(start, f"layer{stage}.level.downsample", stride)
                x = x if last_stage and "network" in self.around else self.after(own, x, f"layer{stage}.level")
        if "network" in self.around:
            x = self.after(own, x + own.project(root, "root.downsample", 2 ** (len(depths) - 1)), "root")
        return x

    def after(self, own: Formulas, x: Tensor, at: str) -> Tensor:
        if self.letter in "cde":
            return x
        return positive(x if self.letter == "a" else own.norm(x, f"{at}.bn"))


def largest_of_2x2(x: Tensor) -> Tensor:
    """Where a window hangs over the edge, the largest of what is inside."""
    rows, columns = (-(-side // 2) * 2 for side in x.shape[2:])
    full = x.new_full((*x.shape[:2], rows, columns), -torch.inf)
    full[:, :, : x.shape[2], : x.shape[3]] = x
    return torch.stack([full[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(0)


AROUND = [("stage", "network"), ("stage",), ("network",)]
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    **{letter: (letter, {"order": ORDERS[letter]}) for letter in "abcde"},
    "a, B": ("a", {"kind": "B"}),
    "e, B": ("e", {"order": ORDERS["e"], "kind": "B", "project": "conv"}),
    "a, bottleneck": ("a", {"transform": BOTTLENECK, "widths": (4, 6), "kind": "B"}),
    "a, three stages": ("a", {"depths": (1, 1, 2), "widths": (8, 12, 12), "kind": "B"}),
}
CASES = [(name, around, shrink) for name in NETWORKS for around in AROUND for shrink in ("stride", "max")]


def test_number_of_cases() -> None:
    assert len(CASES) == 54


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("name", "around", "shrink"), CASES)
def test_ror_is_the_formula(name: str, around: tuple[Any, ...], shrink: Any, training: bool) -> None:
    """Also for pictures of odd size, in training."""
    letter, delta = NETWORKS[name]
    spec = TINY.but(levels=Levels(around=around, shrink=shrink), **delta)
    assert_equal(Ror(spec, letter, around=around, pools=shrink == "max"), 7 if training else 8, training)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("letter", "ae")
def test_with_stochastic_depth(letter: str, training: bool) -> None:
    """RoR-3 and Pre-RoR-3 as the paper trains them; the draws are those of the units, the levels stay."""
    rule, opened = StochasticDepth(last=0.3, rule="uniform"), list[bool]()
    join = drawn(rule, opened)
    spec = TINY.but(order=ORDERS[letter], levels=Levels(), merge=rule)
    for seed in range(1, 5):
        ror = Ror(spec, letter, join=lambda own, at, *terms: join(own, at.replace("units.", ""), *terms))
        assert_equal(ror, 8, training, draws=seed)
    assert not training or (len(opened) == 4 * len(NAMES) and True in opened and False in opened)


def test_a_level_counts() -> None:
    """Without the projections the formula is another."""
    ror = Ror(TINY.but(levels=Levels()), around=("network",))
    with pytest.raises((AssertionError, KeyError)):
        assert_equal(ror, 8, training=False)


@pytest.mark.parametrize("form", ["a", "b"])
def test_written_out_branches_end_in_the_level(form: str) -> None:
    """Forms a and b have the activation of the outermost level too, and not their own before it."""
    spec = TINY.but(transform=BOTTLENECK, widths=(4, 6), kind="B", levels=Levels(), cardinality=2, form=form)
    network = build(spec).eval()
    unit = inside(network, "layer1.units.1", ResidualUnit)
    x = torch.randn(1, 16, 5, 5)
    assert torch.equal(unit(x), unit.branch(x) + x)
    assert (unit(x) < 0).any()
    first = inside(network, "layer1.units.0", ResidualUnit)
    assert (first(torch.randn(1, 8, 5, 5)) >= 0).all()


def test_named_networks() -> None:
    """RoR-3 of 110 layers: 17 units in each stage; 51 units and 3 levels within a fourth."""
    network = build(find("ror3_110").spec, device="meta")
    assert [len(getattr(network, f"layer{i}").units) for i in (1, 2, 3)] == [17, 17, 17]
    assert inside(network, "root.downsample.0", nn.Conv2d).stride == (4, 4)
    assert inside(network, "layer1", LevelStage).maxpool is None
    assert inside(network, "layer2.maxpool", nn.MaxPool2d).kernel_size == 2
    assert list(dict(network.named_children())) == [
        *("conv1", "bn1", "relu", "layer1", "layer2", "layer3", "root", "avgpool", "fc")
    ]
