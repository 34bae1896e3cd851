"""A family spanned by depth, width and cardinality: variants of a residual network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError
from cardinet.networks.residual import Residual

LARGEST = 4096
MOST = 1_000
"""The most variants of a family."""


@dataclass(frozen=True)
class Span:
    """Factors for the number of units and for the widths of every stage, and cardinalities.

    Empty cardinalities keep the network's own.
    """

    depth: tuple[float, ...] = (1.0,)
    width: tuple[float, ...] = (1.0,)
    cardinality: tuple[int, ...] = ()


def cardinalities_of(text: str) -> tuple[int, ...]:
    """Cardinalities as the command line has them: "1,2,4". Raises RequestError for other words."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) < 20 and 0 < int(word) <= LARGEST for word in words):
        raise RequestError(f'--cardinality "{text}": give whole numbers from 1 to {LARGEST:,}, as in 1,2,4,8,32.')
    return tuple(dict.fromkeys(map(int, words)))


def factors_of(option: str, text: str) -> tuple[float, ...]:
    """Factors as the command line has them: "0.5,1,2". Raises RequestError for other words."""
    values = []
    for word in text.split(","):
        try:
            values.append(float(word))
        except ValueError:
            values.append(math.nan)
    if not all(0.01 <= value <= 100 for value in values):
        raise RequestError(f'{option} "{text}": give factors from 0.01 to 100, as in 0.5,1,2.')
    return tuple(dict.fromkeys(values))


def spanned(base: Residual, span: Span) -> dict[str, Residual]:
    """The variants of a network by their settings, "depths=3,4,6,3 widths=64,128,256,512 C=32".

    A stage keeps at least one unit and one channel. Another cardinality divides the inner channels of a unit among its
    groups, so a network with more groups has fewer parameters. Variants that no network can have (groups that do not
    divide the channels) are left out. Raises RequestError for another kind of network, for too many variants, and with
    the reasons if all are left out.
    """
    found = Findings()
    with found:
        if not isinstance(base, Residual):
            raise RequestError(
                "Only a residual network spans a family by depth, width and cardinality; start from a network such as "
                "resnet50, or name networks with --family."
            )
    with found:
        number = len(span.depth) * len(span.width) * max(1, len(span.cardinality))
        if number > MOST:
            raise RequestError(f"These factors make {amount(number, 'network')}; at most {MOST:,} are compared.")
    found.raise_if_any()
    variants: dict[str, Residual] = {}
    refused = Findings()
    for depth, width, groups in itertools.product(span.depth, span.width, span.cardinality or (base.cardinality,)):
        with refused:
            variant = _variant(base, depth, width, groups)
            variants[_name(variant)] = variant
    if not variants:
        refused.raise_if_any()
    return variants


def _variant(base: Residual, depth: float, width: float, groups: int) -> Residual:
    delta = {
        "depths": _scaled(base.depths, depth),
        "widths": _scaled(base.widths, width),
    }
    if groups == base.cardinality:
        return base.but(**delta)
    inner = base.transform.base_width * base.cardinality
    scaled = base.but(**delta)
    variant = scaled.but(**{"transform.spatial.cardinality": groups, "transform.base_width": inner / groups})
    wanted, got = ([spec.transform.inner_width(width) for width in spec.widths] for spec in (scaled, variant))
    if wanted != got:
        raise RequestError(f"cardinality = {groups} does not divide the {wanted} inner channels of the units.")
    return variant


def _scaled(numbers: Sequence[int], factor: float) -> tuple[int, ...]:
    return tuple(max(1, math.floor(number * factor + 0.5)) for number in numbers)


def _name(spec: Residual) -> str:
    depths, widths = (",".join(map(str, numbers)) for numbers in (spec.depths, spec.widths))
    return f"depths={depths} widths={widths} C={spec.cardinality}"
