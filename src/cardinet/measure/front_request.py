"""The request for a front: the limits, and the networks that are compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.whole_numbers import SIDE, require_whole
from cardinet.measure.budget import capacities_of
from cardinet.measure.picture_fit import is_too_deep
from cardinet.measure.spanned import Span, spanned
from cardinet.networks.family import Named
from cardinet.networks.registry import FAMILIES, NETWORKS, find, matching

BATCH = 4096
"""The most pictures of a batch."""


@dataclass(frozen=True)
class FrontRequest:
    """What is compared: named networks, or the family that `span` makes of the network `like`.

    `limits` are by kind of cost. Without `families`, names or patterns, all named networks for pictures of a like size
    are compared. The side of the pictures is that of `like`, or the commonest among the networks. `capacities`
    are rows of `CAPACITIES`; none means the usual ones. `batch` is the number of pictures for memory and latency.
    """

    limits: Mapping[str, float]
    families: tuple[str, ...] = ()
    like: str | None = None
    span: Span = field(default_factory=Span)
    capacities: tuple[str, ...] = ()
    input_size: int | None = None
    batch: int = 1


@dataclass(frozen=True)
class Asked:
    """The descriptions to compare by name, the side of the pictures, and the networks for other pictures left out."""

    specs: Mapping[str, Any]
    input_size: int
    left_out: int = 0


def checked(request: FrontRequest) -> Asked:
    """The networks of a request. Raises RequestError with all faults of the request at once."""
    found = Findings()
    with found:
        require_whole(1, BATCH, batch_size=request.batch)
    with found:
        if request.input_size is not None:
            require_whole(1, SIDE, input_size=request.input_size)
    with found:
        capacities_of(request.capacities, request.limits)
    with found:
        if request.like is not None and request.families:
            raise RequestError("--like spans a family of its own; give either --like or --family.")
    asked = Asked({}, 1)
    with found:
        if request.like is not None:
            asked = _variants(request.like, request.span, request.input_size)
        else:
            asked = _named(request.families, request.input_size)
    found.raise_if_any()
    return asked


def _variants(like: str, span: Span, input_size: int | None) -> Asked:
    """The family that a span makes of a network."""
    base = find(like)
    side = input_size or base.input_size
    return Asked(_large_enough(spanned(base.spec, span), side), side)


def _named(patterns: Sequence[str], input_size: int | None) -> Asked:
    """The named networks of some families or patterns, in the form whose cost the papers count."""
    found, rows = Findings(), {} if patterns else dict(NETWORKS)
    for pattern in patterns:
        with found:
            rows |= {row.id: row for row in _family(pattern)}
    found.raise_if_any()
    side = input_size or statistics.mode(sorted((row.input_size for row in rows.values()), reverse=True))
    alike = {id: row.spec.but(**row.printed_form) for id, row in rows.items() if side / 2 <= row.input_size <= 2 * side}
    return Asked(_large_enough(alike, side), side, len(rows) - len(alike))


def _large_enough(specs: Mapping[str, Any], side: int) -> dict[str, Any]:
    """The networks that can take pictures of this size."""
    kept = {name: spec for name, spec in specs.items() if not is_too_deep(spec, side)}
    if not kept:
        raise RequestError(f"No network here takes pictures of {side} x {side} pixels; give another --input-size.")
    return kept


def _family(pattern: str) -> list[Named]:
    """The network of an id, those of a family by its name, or those that a pattern matches."""
    if pattern in NETWORKS:
        return [NETWORKS[pattern]]
    named = [row for family in FAMILIES for row in family.rows.values() if row.family.lower() == pattern.lower()]
    if found := named or [row for row in matching(pattern) if row.id in NETWORKS]:
        return found
    names = sorted({row.family for row in NETWORKS.values()})
    raise RequestError(f'--family "{pattern}": no family or network has this name ({nearest(pattern, names)}).')
