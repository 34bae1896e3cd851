"""Parallel linear branches as one convolution: RepVGG's deployment form, and whatever else sums such branches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.blocks.shortcut import Absent
from cardinet.build.builder import build
from cardinet.build.meta import on_meta
from cardinet.measure.counts import count
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.parts.carry import ExclusiveGate, Scaled
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.merge import StochasticDepth, Swapout
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.transform import Transform
from cardinet.networks.registry import find
from cardinet.rewrite.merge_branches import Branch, NotLinear, merge_branches, one_convolution, unmerged
from cardinet.rewrite.strip import strip
from rewrite.test_fold import SMALL, difference, drawn

ONE = SMALL.but(transform=Transform(kernels=(3,)))
FUSED = find("fusenet_fuse3_26").spec.but(kernels=(3,), depths=(2, 1, 1), num_classes=5)
REPVGG: dict[str, RepVGG] = {
    "plain": RepVGG(depths=(2, 1), widths=(8, 16), num_classes=5),
    "groups": RepVGG(depths=(2, 2), widths=(8, 16), cardinality=4, num_classes=5),
    "gate": RepVGG(depths=(2, 1), widths=(8, 16), gate=SqueezeExcite(reduction=4), num_classes=5),
}
OTHERS: dict[str, Any] = {
    "one convolution, projection": ONE,
    "one convolution, zero padding": ONE.but(shortcut=Shortcut(kind="A")),
    "projections everywhere": ONE.but(shortcut=Shortcut(kind="C")),
    "groups": ONE.but(cardinality=4),
    "kernels of 5": ONE.but(kernels=(5,)),
    "3x3 projections": ONE.but(project="conv3 bn"),
    "constant scaling": ONE.but(carry=Scaled(skip=0.3, branch=0.6)),
    "no BN": ONE.but(order="b"),
    "fused lines": FUSED,
    "fused lines, 1x1 shallow": FUSED.but(shallow="1x1"),
    "three deep lines": FUSED.but(branches=3),
}


@pytest.mark.parametrize("name", REPVGG)
def test_repvgg_becomes_its_deployment_form(name: str) -> None:
    torch.manual_seed(0)
    network = drawn(build(REPVGG[name]))
    merged: Any = merge_branches(network)
    assert difference(network, merged) <= 1e-13
    assert merged.spec == REPVGG[name].but(form="deployment")
    deployed = build(merged.spec, device="meta")
    assert {n: t.shape for n, t in merged.state_dict().items()} == {
        n: t.shape for n, t in deployed.state_dict().items()
    }
    assert not any(isinstance(module, nn.BatchNorm2d) for module in merged.modules())
    assert len(REPVGG) == 3


def test_repvgg_a0_has_the_papers_counts() -> None:
    merged = merge_branches(build(find("repvgg_a0").spec, device="meta"))
    counts = count(on_meta(merged), 224)
    assert (counts.params, round(counts.macs / 1e9, 2)) == (8_309_384, 1.36)


@pytest.mark.parametrize("name", OTHERS)
def test_other_blocks_of_linear_branches(name: str) -> None:
    torch.manual_seed(0)
    network = drawn(build(OTHERS[name]))
    merged: Any = merge_branches(network)
    assert difference(network, merged) <= 1e-13
    convs = [n for n, m in merged.named_modules() if isinstance(m, nn.Conv2d)]
    left = {"one convolution, zero padding": 1}.get(name, 0)  # the unit that changes the shape: zeros are no layer
    units = [m for m in merged.modules() if hasattr(m, "downsample") and not isinstance(m.downsample, Absent)]
    assert len(units) == left
    assert len(convs) == (1 + 4 if "lines" in name else 1 + 3)
    assert len(OTHERS) == 11


def test_what_a_rule_that_drops_comes_to_is_merged_after_strip() -> None:
    torch.manual_seed(0)
    network = drawn(build(ONE.but(merge=Swapout(last=(0.5, 0.75)))))
    with pytest.raises(RequestError, match="it drops at random in training; strip it first"):
        merge_branches(network)
    assert difference(network, merge_branches(strip(network))) <= 1e-13


def test_a_block_without_a_shallow_line_merges_no_sum() -> None:
    """Nothing is dropped where nothing stands beside the deep lines, and nothing weighed."""
    torch.manual_seed(0)
    spec = FUSED.but(branches=2, shallow="identity", merge=StochasticDepth(last=0.5, rule="uniform"))
    alone = [
        n for n, m in build(spec, device="meta").named_modules() if hasattr(m, "lines") and "shallow" not in m.lines
    ]
    assert alone
    network = drawn(strip(build(spec)))
    merged = merge_branches(network)
    assert difference(network, merged) <= 1e-13
    assert not set(alone) & set(unmerged(network))


def test_averaged_columns_without_nonlinearity() -> None:
    """The mean of a 3x3, a 3x3 in groups with BN, BN alone and the identity is one 3x3."""
    torch.manual_seed(0)
    columns = [
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)),
        nn.Sequential(nn.Conv2d(8, 8, 1, groups=4), nn.BatchNorm2d(8, affine=False)),
        nn.Sequential(nn.BatchNorm2d(8)),
        nn.Sequential(),
    ]
    for column in columns:
        drawn(column)
    conv = one_convolution([Branch(list(column), factor=1 / 4) for column in columns])
    x = torch.randn(2, 8, 7, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([column(x) for column in columns]).mean(0)
        assert (conv(x) - expected).abs().max() <= 1e-13 * expected.abs().max()
    assert (conv.kernel_size, conv.groups, conv.bias is not None) == ((3, 3), 1, True)


REFUSED: dict[str, tuple[Any, str]] = {
    "fractal": (find("fractalnet20").spec, "each of its columns ends in a ReLU"),
    "two convolutions": (SMALL, "its branch has a ReLU"),
    "gate": (ONE.but(gate=SqueezeExcite(reduction=4)), "its branch ends in a gate"),
    "learned shortcut": (ONE.but(carry=ExclusiveGate()), "a gate weighs its shortcut"),
    "no shortcut": (ONE.but(kind="none"), "it has no second branch"),
    "pre-activation": (ONE.but(order="e", boundary="timm", depths=(2,), widths=(16,)), "its branch has a ReLU"),
    "fused": (find("fusenet_fuse3_26").spec, "a branch has a ReLU"),
    "fused, a bottleneck beside the identity": (find("resnet98_dfn_baseline").spec, "a branch has a ReLU"),
    "dense": (find("densenet_bc_100_12").spec, "No block of this network has only parallel linear branches"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_blocks_and_the_reason(name: str) -> None:
    spec, why = REFUSED[name]
    with pytest.raises(RequestError) as error:
        merge_branches(build(spec, device="meta"))
    assert any(why in text for text in error.value.findings)
    assert len(error.value.findings) <= 3
    assert "omit --merge-branches" in error.value.findings[-1]
    assert len(REFUSED) == 9


def test_strides_and_paddings_have_to_fit() -> None:
    with pytest.raises(NotLinear, match=r"the strides \[1, 2\]"):
        one_convolution([Branch([nn.Conv2d(3, 3, 3, 2, 1)]), Branch([nn.Conv2d(3, 3, 1)])])
    with pytest.raises(NotLinear, match="is not half of its kernel"):
        one_convolution([Branch([nn.Conv2d(3, 3, 3)]), Branch([nn.Conv2d(3, 3, 1)])])
    with pytest.raises(NotLinear, match="a second convolution"):
        one_convolution([Branch([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)]), Branch([])])
