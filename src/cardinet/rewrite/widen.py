"""More channels without another function: Net2Net's widening for residual networks (arXiv 1511.05641, Section 2.2).

Chen, Goodfellow and Shlens copy channels and share what is read of them among the copies. Here the copies of the
channels that shortcuts carry agree from one end of the network to the other, and those of groups are whole groups.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.networks.residual import Residual
from cardinet.rewrite.anew import seeded
from cardinet.rewrite.modules import as_described, layout_of, replace
from cardinet.rewrite.strip import RULES
from cardinet.rewrite.wide_state import WideState, grouped, reads_or_makes_groups

PATHS = {"widths": "widths", "base_width": "transform.base_width", "cardinality": "transform.spatial.cardinality"}
"""Where the arguments stand in a description."""


def widen(
    network: nn.Module,
    widths: Sequence[int] | None = None,
    base_width: float | None = None,
    cardinality: int | None = None,
    seed: int = 0,
) -> Classifier:
    """The same function, in eval and in train mode, with more channels.

    `widths` are those of the stages, and so of the shortcuts; where the stem has as many channels as the first stage it
    grows with that. `base_width` and `cardinality` are the width and number of the groups within the units. New
    channels copy old ones in turn at random, and what reads them shares the old weights among the copies by random
    shares, both from `seed`, so that no two copies train alike. What drops single elements in training (dropout,
    Swapout) draws for each copy alone. The description follows; names, dtype, device (the meta device too), layout,
    modes and `requires_grad` are kept. Raises RequestError, with every reason, where there would be fewer channels, or
    where the wider network would be made of other parts.
    """
    spec = getattr(network, "spec", None)
    if not isinstance(spec, Residual):
        raise RequestError("Only a residual network has widths to grow; this one carries no such description.")
    generator = seeded(seed)
    asked = {"widths": widths, "base_width": base_width, "cardinality": cardinality}
    grown = _described(spec, {name: value for name, value in asked.items() if value is not None})
    as_described(network, "widen")
    wide = build(grown, device="meta")
    for name, module in network.named_modules():
        if isinstance(module, RULES):
            replace(wide, name, copy.deepcopy(module))
    wide.load_state_dict(WideState(network, wide, generator).state(), assign=True)
    wide.to(memory_format=layout_of(network))
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    for name, parameter in wide.named_parameters():
        parameter.requires_grad_(name not in frozen)
    modes = {name: module.training for name, module in network.named_modules()}
    for name, module in wide.named_modules():
        module.training = modes[name]
    return wide


def _described(spec: Residual, asked: Mapping[str, Any]) -> Residual:
    """The description of the wider network. Raises RequestError with everything that stands against it."""
    found, grown = Findings(), spec
    with found:
        if problems := list(_parts_that_stay(spec)):
            raise RequestError(*problems)
    with found:
        grown = _wider(spec, asked)
        if problems := list(_smaller_values(spec, grown)):
            raise RequestError(*problems)
    found.raise_if_any()
    checks = (_stems_that_do_not_fit, _shapes_that_change, _padding_that_grows, _groups_that_narrow)
    if problems := [text for check in checks for text in check(spec, grown)]:
        raise RequestError(*problems)
    return grown


def _wider(spec: Residual, asked: Mapping[str, Any]) -> Residual:
    """The description with the values asked for, its stem as wide as the first stage if it is now."""
    delta = {PATHS[name]: value for name, value in asked.items()}
    widths = asked.get("widths")
    stem, first = spec.streams[:2]
    if stem == first and isinstance(widths, list | tuple) and widths and isinstance(widths[0], int) and widths[0] > 0:
        delta["stem.width"] = widths[0] * spec.transform.expansion * spec.stem.width // stem
    return spec.but(**delta)


def _parts_that_stay(spec: Residual) -> Iterator[str]:
    """Which parts have no copies that compute the same."""
    if spec.transform.form != "c":
        yield f'form = "{spec.transform.form}": only form "c" is widened; convert it first, and back after it.'
    if not spec.transform.spatial.BRANCHED:
        kind = type(spec.transform.spatial).__name__
        yield f"spatial = {kind}: its attention between paths is not widened; only Grouped convolutions are."


def _smaller_values(spec: Residual, grown: Residual) -> Iterator[str]:
    """Which values are smaller than those that the network has, or whether all are the same."""
    have, value = spec.transform, grown.transform
    if grown == spec:
        shown = f"widths = {list(spec.widths)}, base_width = {have.base_width:g} and cardinality = {spec.cardinality}"
        yield f"There is nothing to widen: the network has {shown}; give one of them more."
    for name, old, new in (
        ("base_width", have.base_width, value.base_width),
        ("cardinality", spec.cardinality, grown.cardinality),
    ):
        if new < old:
            yield f"{name} = {new:g}: the network has {old:g}, and widening only adds; give more."
    for stage, (old, new) in enumerate(zip(spec.widths, grown.widths, strict=True)):
        if new < old:
            yield (
                f"widths = {list(grown.widths)}: stage {stage + 1} has the width {old}, and widening only adds; give "
                f"{old} or more."
            )


def _stems_that_do_not_fit(spec: Residual, grown: Residual) -> Iterator[str]:
    """Whether the stem can have the channels of the first stage."""
    (stem, first), (wide_stem, wide_first) = spec.streams[:2], grown.streams[:2]
    if stem == first and wide_stem != wide_first:
        yield (
            f"widths = {list(grown.widths)}: the stem passes its channels to stage 1 unchanged, and a deep stem has an "
            f"even number of them, not {wide_first}; give stage 1 an even width."
        )


def _shapes_that_change(spec: Residual, grown: Residual) -> Iterator[str]:
    """Where the first unit of a stage keeps the shape in one network and changes it in the other."""
    pairs = zip(pairwise(spec.streams), pairwise(grown.streams), strict=True)
    for stage, ((w_in, w_out), (wide_in, wide_out)) in enumerate(pairs):
        same, wide_same = w_in == w_out, wide_in == wide_out
        if (stage > 0 and not spec.pooled) or same == wide_same or (stage == 0 and same):
            continue
        yield f"widths = {list(grown.widths)}: the first unit of stage {stage + 1} " + (
            f"passes its {w_in} channels on unchanged, and would have to make {wide_out} of {wide_in}; keep its width "
            "that of the stage before it."
            if same
            else f"makes {w_out} channels of {w_in}, and would pass {wide_in} on unchanged; give it another width."
        )


def _padding_that_grows(spec: Residual, grown: Residual) -> Iterator[str]:
    """Where shortcut A would have to add channels that are no copies of those that it adds now."""
    if not spec.shortcut.pads:
        return
    pairs = zip(pairwise(spec.streams), pairwise(grown.streams), strict=True)
    for stage, ((w_in, w_out), (wide_in, wide_out)) in enumerate(pairs):
        old, new = w_out - w_in, wide_out - wide_in
        if new < old or (old == 0 and new > 0):
            need = "none" if old == 0 else f"{old} or more"
            yield (
                f'widths = {list(grown.widths)}: with shortcut.kind = "A" stage {stage + 1} adds {old} zero channels '
                f"to the shortcut and would add {new}; give it a width that leaves {need}."
            )
    changes = spec.streams != grown.streams or spec.cardinality != grown.cardinality
    if changes and reads_or_makes_groups(spec, grown):
        yield (
            'shortcut.kind = "A": its zero channels lie across the groups of a spatial convolution that reads or makes '
            "what the shortcut carries; only base_width can grow here."
        )


def _groups_that_narrow(spec: Residual, grown: Residual) -> Iterator[str]:
    """Where groups that lie on the shortcut's channels would be narrower."""
    old, new = spec.cardinality, grown.cardinality
    if not reads_or_makes_groups(spec, grown):
        return
    own, wide = spec.streams, grown.streams
    for stage, (width, wider) in enumerate(zip(own, wide, strict=True)):
        if stage == 0 and spec.transform.at > 0 and own[0] != own[1]:
            continue  # what the stem makes is read by no convolution in groups and passed on to none that makes them
        touched = width % old == 0 and wider % new == 0
        if touched and not grouped(width, wider, old, new):
            place = f"stage {stage}" if stage else "the stem"
            yield (
                f"cardinality = {new}: a group has {width // old} channels of {place} and would have {wider // new}; "
                f"for {new} groups it needs {new * (width // old)}, so give wider stages or fewer groups."
            )
