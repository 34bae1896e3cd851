"""More units, the same function: Net2Net's deepening for residual networks (arXiv 1511.05641, Section 2.3).

Chen, Goodfellow and Shlens start a new layer as the identity. A residual unit with a branch of zeros is the identity.
It can still learn, because the last layer of its branch has a gradient.
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
from cardinet.rewrite.module_edits import layout_of, require_unrewritten
from cardinet.rewrite.seeding import placed_like, seeded_draws
from cardinet.rewrite.strip import draws, strip


def deepen(network: nn.Module, depths: Sequence[int], seed: int = 0) -> Classifier:
    """A deeper network with the same function in eval and train mode; `depths` are its units, stage by stage.

    New units are added at the end of their stage, or before its last unit if that unit's sum continues into a level.
    Their branch is zero: gamma of its last BN is 0, or without such a BN the last convolution. Other new weights are
    drawn from `seed`, as when a network is built. Old parameters keep their values and gradients. The description
    changes too. Names, dtype, device (also the meta device), layout, modes and `requires_grad` are kept; new parameters
    are trainable.
    Raises RequestError, with every reason, if a new unit would not be the identity or could not learn.
    """
    spec = getattr(network, "spec", None)
    if not isinstance(spec, Residual):
        raise RequestError("Only a residual network can be deepened; this network has no residual description.")
    assert isinstance(network, Classifier)
    grown = _described(spec, depths, drawing=draws(network))
    require_unrewritten(network, "deepen")
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
                unit.merge = Weighted()  # in a stripped network only old units have other weights
            close(unit)
            units.insert(index, placed_like(unit, like, layout).train(units.training))
    twin.spec = grown
    return twin


def close(unit: nn.Module) -> None:
    """Make a unit the identity: set its branch to zero, and a projection to the identity."""
    chains: Sequence[Any] = list(unit.copies) if isinstance(unit, CopiesUnit) else [unit]
    with torch.no_grad():
        for chain in chains:
            branched = isinstance(unit, ConcatenatedUnit | SummedUnit)
            last = chain.get_submodule("bn3" if branched else chain.steps[-1][-1])
            for parameter in last.parameters():
                parameter.zero_()
        if isinstance(unit.downsample, nn.Sequential):  # without BN: others are refused
            nn.init.dirac_(unit.downsample.get_parameter("0.weight"))


def _described(spec: Residual, depths: Sequence[int], *, drawing: bool) -> Residual:
    """The description with more units. Raises RequestError with every reason against it."""
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
    """Faults of the numbers of units, one sentence each."""
    asked, have = list(grown.depths), list(spec.depths)
    if asked == have:
        yield f"depths = {asked}: the network has these depths already; give a larger one."
    for stage, (old, new) in enumerate(zip(have, asked, strict=True)):
        if new < old:
            yield f"depths = {asked}: stage {stage + 1} has {old} units, and deepening only adds; give {old} or more."
        elif new > old == 1 and _held(spec, stage):
            yield (
                f"depths = {asked}: the activation of the only unit of stage {stage + 1} follows the level, so "
                "no unit can follow it; give 1 for this stage."
            )


def _held(spec: Residual, stage: int) -> int:
    """The number of units that stay at the end of a stage: 1 if the last one has its activation after a level."""
    return int(bool(spec.order.after) and spec.activates_after_level(stage, spec.depths[stage] - 1))


def _units(network: nn.Module, stage: int) -> nn.Sequential:
    child = network.get_submodule(f"layer{stage + 1}")
    units = child.units if isinstance(child, LevelStage) else child
    assert isinstance(units, nn.Sequential)
    return units


def _drawn(spec: Residual, seed: int, *, meta: bool) -> nn.Module:
    """The network of a description, drawn from a seed."""
    with seeded_draws(seed):
        return build(spec, device="meta" if meta else "cpu")
