"""More units without another function: Net2Net's deepening for residual networks (arXiv 1511.05641, Section 2.3).

Chen, Goodfellow and Shlens start a new layer as the identity. A residual unit is the identity where its branch is zero,
and learns from there as any other: the gradient of the layer that closes the branch is not zero.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.branches import ConcatenatedUnit, SummedUnit
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.copies import CopiesUnit
from cardinet.blocks.levels import LevelStage
from cardinet.blocks.merge import Weighted
from cardinet.build.builder import build
from cardinet.networks.residual import Residual
from cardinet.rewrite.anew import alike, drawn_from
from cardinet.rewrite.modules import as_described, layout_of
from cardinet.rewrite.strip import draws, strip


def deepen(network: nn.Module, depths: Sequence[int], seed: int = 0) -> Classifier:
    """The same function, in eval and in train mode, with more units: `depths` of them, stage by stage.

    New units stand at the end of their stage (before its last unit, where the sum of that one goes on into a level).
    Their branch is zero: by gamma of the BN that ends it, or by the last convolution where none does; all else is drawn
    from `seed` as when a network is built. Old parameters keep their values and gradients. The description follows;
    names, dtype, device (the meta device too), layout, modes and `requires_grad` are kept, new parameters are
    trainable.
    Raises RequestError, with every reason, where a new unit would not be the identity or could not learn.
    """
    spec = getattr(network, "spec", None)
    if not isinstance(spec, Residual):
        raise RequestError("Only a residual network has units to add; this one carries no such description.")
    assert isinstance(network, Classifier)
    grown = _described(spec, depths, drawing=draws(network))
    as_described(network, "deepen")
    like, layout = next(network.parameters()), layout_of(network)
    fresh = _drawn(grown, seed, meta=like.is_meta)
    fresh = fresh if draws(network) else strip(fresh)
    twin = copy.deepcopy(network)
    for stage, (old, new) in enumerate(zip(spec.depths, grown.depths, strict=True)):
        units, others = _units(twin, stage), _units(fresh, stage)
        first = old - _held(spec, stage)
        for index in range(first, first + new - old):
            unit = others[index]
            if isinstance(unit.merge, Weighted):
                unit.merge = Weighted()  # of stripped networks: what a rule that drops comes to weighs old units alone
            close(unit)
            units.insert(index, alike(unit, like, layout).train(units.training))
    twin.spec = grown
    return twin


def close(unit: nn.Module) -> None:
    """Make the branch of a unit zero, and a projection beside it the identity, so that the unit changes nothing."""
    chains: Sequence[Any] = list(unit.copies) if isinstance(unit, CopiesUnit) else [unit]
    with torch.no_grad():
        for chain in chains:
            branched = isinstance(unit, ConcatenatedUnit | SummedUnit)
            last = chain.get_submodule("bn3" if branched else chain.steps[-1][-1])
            for parameter in last.parameters():
                parameter.zero_()
        if isinstance(unit.downsample, nn.Sequential):  # bare, as others are refused
            nn.init.dirac_(unit.downsample.get_parameter("0.weight"))


def _described(spec: Residual, depths: Sequence[int], *, drawing: bool) -> Residual:
    """The description with more units. Raises RequestError with everything that stands against it."""
    found, grown = Findings(), spec
    with found:
        grown = spec.but(depths=depths)
        if problems := list(_wrong_depths(spec, grown)):
            raise RequestError(*problems)
    with found:
        if problems := [why for part in spec.unit_parts for why in part.hinders_new_units(drawing=drawing)]:
            raise RequestError(*problems)
    found.raise_if_any()
    return grown


def _wrong_depths(spec: Residual, grown: Residual) -> Iterator[str]:
    """What has no meaning in the numbers of units."""
    asked, have = list(grown.depths), list(spec.depths)
    if asked == have:
        yield f"depths = {asked}: that is what the network has; give one of them more."
    for stage, (old, new) in enumerate(zip(have, asked, strict=True)):
        if new < old:
            yield f"depths = {asked}: stage {stage + 1} has {old} units, and deepening only adds; give {old} or more."
        elif new > old == 1 and _held(spec, stage):
            yield (
                f"depths = {asked}: the one unit of stage {stage + 1} leaves its activation to the level around it, "
                "and a unit behind it would read what is not activated yet; leave this stage at 1."
            )


def _held(spec: Residual, stage: int) -> int:
    """How many units at the end of a stage stay there: 1 where the last leaves its activation to a level."""
    return int(bool(spec.order.after) and spec.activates_after_level(stage, spec.depths[stage] - 1))


def _units(network: nn.Module, stage: int) -> nn.Sequential:
    child = network.get_submodule(f"layer{stage + 1}")
    units = child.units if isinstance(child, LevelStage) else child
    assert isinstance(units, nn.Sequential)
    return units


def _drawn(spec: Residual, seed: int, *, meta: bool) -> nn.Module:
    """The network of a description, drawn from a seed."""
    with drawn_from(seed):
        return build(spec, device="meta" if meta else "cpu")
