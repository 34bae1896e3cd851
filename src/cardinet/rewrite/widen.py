"""More channels, the same function: Net2Net's widening for residual networks (arXiv 1511.05641, Section 2.2).

Chen, Goodfellow and Shlens copy channels and divide the weights that read them among the copies. Here the channels of
shortcuts are copied in the same way in the whole network, and groups are copied as a whole.
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
from cardinet.rewrite.module_edits import layout_of, replace, require_unrewritten
from cardinet.rewrite.seeding import seeded_generator
from cardinet.rewrite.strip import RULES
from cardinet.rewrite.wide_state import WideState, groups_can_be_copied, reads_or_makes_groups

PATHS = {"widths": "widths", "base_width": "transform.base_width", "cardinality": "transform.spatial.cardinality"}
"""The settings of a description that the arguments change."""


def widen(
    network: nn.Module,
    widths: Sequence[int] | None = None,
    base_width: float | None = None,
    cardinality: int | None = None,
    seed: int = 0,
) -> Classifier:
    """A wider network with the same function in eval and train mode.

    `widths` are the widths of the stages, and so of the shortcuts. A stem with as many channels as the first stage
    grows with it. `base_width` and `cardinality` are the width and number of the groups within the units. New channels
    are random copies of old ones. The weights that read them are divided among the copies by random shares. Both come
    from `seed`; no two copies learn the same. Dropout and Swapout draw for each copy separately. The description
    changes too. Names, dtype, device (also the meta device), layout, modes and `requires_grad` are kept. Raises
    RequestError, with every reason, if there would be fewer channels, or if the wider network would need other parts.
    """
    spec = getattr(network, "spec", None)
    if not isinstance(spec, Residual):
        raise RequestError("Only a residual network can be widened; this network has no residual description.")
    generator = seeded_generator(seed)
    asked = {"widths": widths, "base_width": base_width, "cardinality": cardinality}
    grown = _described(spec, {name: value for name, value in asked.items() if value is not None})
    require_unrewritten(network, "widen")
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
    """The description of the wider network. Raises RequestError with every reason against it."""
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
    """The description with the requested values. A stem as wide as the first stage stays as wide as that."""
    delta = {PATHS[name]: value for name, value in asked.items()}
    widths = asked.get("widths")
    stem, first = spec.streams[:2]
    if stem == first and isinstance(widths, list | tuple) and widths and isinstance(widths[0], int) and widths[0] > 0:
        delta["stem.width"] = widths[0] * spec.transform.expansion * spec.stem.width // stem
    return spec.but(**delta)


def _parts_that_stay(spec: Residual) -> Iterator[str]:
    """A sentence for every part that cannot be widened."""
    if spec.transform.form != "c":
        yield f'form = "{spec.transform.form}": only form "c" can be widened; convert to it first, and back afterwards.'
    if not spec.transform.spatial.BRANCHED:
        kind = type(spec.transform.spatial).__name__
        yield f"spatial = {kind}: its attention between paths cannot be widened; only Grouped convolutions can."


def _smaller_values(spec: Residual, grown: Residual) -> Iterator[str]:
    """A sentence for every value that is smaller than now, or one if nothing changes."""
    have, value = spec.transform, grown.transform
    if grown == spec:
        shown = f"widths = {list(spec.widths)}, base_width = {have.base_width:g} and cardinality = {spec.cardinality}"
        yield f"There is nothing to widen: the network has {shown} already; give a larger value."
    for name, old, new in (
        ("base_width", have.base_width, value.base_width),
        ("cardinality", spec.cardinality, grown.cardinality),
    ):
        if new < old:
            yield f"{name} = {new:g}: the network has {old:g}, and widening can only add; give a larger value."
    for stage, (old, new) in enumerate(zip(spec.widths, grown.widths, strict=True)):
        if new < old:
            yield (
                f"widths = {list(grown.widths)}: stage {stage + 1} has width {old}, and widening can only add; give "
                f"{old} or more."
            )


def _stems_that_do_not_fit(spec: Residual, grown: Residual) -> Iterator[str]:
    """A sentence if the stem cannot have the channels of the first stage."""
    (stem, first), (wide_stem, wide_first) = spec.streams[:2], grown.streams[:2]
    if stem == first and wide_stem != wide_first:
        yield (
            f"widths = {list(grown.widths)}: the stem passes its channels to stage 1 unchanged, and a deep stem has an "
            f"even number of them, not {wide_first}; give stage 1 an even width."
        )


def _shapes_that_change(spec: Residual, grown: Residual) -> Iterator[str]:
    """A sentence for every stage whose first unit keeps the shape in one network and changes it in the other."""
    pairs = zip(pairwise(spec.streams), pairwise(grown.streams), strict=True)
    for stage, ((w_in, w_out), (wide_in, wide_out)) in enumerate(pairs):
        same, wide_same = w_in == w_out, wide_in == wide_out
        if (stage > 0 and not spec.pooled) or same == wide_same or (stage == 0 and same):
            continue
        yield f"widths = {list(grown.widths)}: the first unit of stage {stage + 1} " + (
            f"passes its {w_in} channels on unchanged, and would have to make {wide_out} of {wide_in}; give it the "
            "width of the stage before it."
            if same
            else f"makes {w_out} channels of {w_in}, and would pass {wide_in} on unchanged; give it another width."
        )


def _padding_that_grows(spec: Residual, grown: Residual) -> Iterator[str]:
    """A sentence for every stage where shortcut A would add channels that cannot be copies of those it adds now."""
    if not spec.shortcut.pads:
        return
    pairs = zip(pairwise(spec.streams), pairwise(grown.streams), strict=True)
    for stage, ((w_in, w_out), (wide_in, wide_out)) in enumerate(pairs):
        old, new = w_out - w_in, wide_out - wide_in
        if new < old or (old == 0 and new > 0):
            need = "none" if old == 0 else f"{old} or more"
            yield (
                f'widths = {list(grown.widths)}: with shortcut.kind = "A" stage {stage + 1} adds {old} zero channels '
                f"to the shortcut and would add {new}; give it a width that needs {need}."
            )
    changes = spec.streams != grown.streams or spec.cardinality != grown.cardinality
    if changes and reads_or_makes_groups(spec, grown):
        yield (
            'shortcut.kind = "A": its zero channels do not fit the groups of a spatial convolution that reads or makes '
            "the channels of the shortcut; only base_width can grow here."
        )


def _groups_that_narrow(spec: Residual, grown: Residual) -> Iterator[str]:
    """A sentence for every stage where groups of the shortcut's channels would become narrower."""
    old, new = spec.cardinality, grown.cardinality
    if not reads_or_makes_groups(spec, grown):
        return
    own, wide = spec.streams, grown.streams
    for stage, (width, wider) in enumerate(zip(own, wide, strict=True)):
        if stage == 0 and spec.transform.at > 0 and own[0] != own[1]:
            continue  # no grouped convolution reads or makes the channels of the stem
        touched = width % old == 0 and wider % new == 0
        if touched and not groups_can_be_copied(width, wider, old, new):
            place = f"stage {stage}" if stage else "the stem"
            yield (
                f"cardinality = {new}: a group has {width // old} channels of {place} and would have {wider // new}; "
                f"for {new} groups it needs {new * (width // old)}, so give wider stages or fewer groups."
            )
