"""The types of the numbers in a description, each with the range in which it has a meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from cardinet.base.bounds import COUNT, UNITS


def at_most(most: int) -> AfterValidator:
    """A check of a number in a description, whose larger values no memory would hold as a network."""

    def check(number: float) -> float:
        if number > most:
            raise ValueError(f"the network is too large; {most:,} is the most, also with --no-bounds")
        return number

    return AfterValidator(check)


NONE_AS_A_WORD = BeforeValidator(lambda value: None if value == "none" else value)
"""In a list, where text has no other way to write None."""

Count = Annotated[int, Field(ge=1), at_most(COUNT)]
Depth = Annotated[int, Field(ge=1), at_most(UNITS)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=32)]
"""Units stage by stage. Nearly every stage halves the picture, so that more stages have no meaning."""

Rate = Annotated[float, Field(ge=0, lt=1)]

Survival = Annotated[float, Field(gt=0, le=1)]
"""The probability with which something is kept."""

Share = Annotated[float, Field(ge=0, le=1)]


def unequal(depths: Sequence[int], widths: Sequence[int], each: str) -> list[str]:
    """A sentence where there are not as many depths as widths, one of each per stage or the like."""
    if len(depths) == len(widths):
        return []
    return [f"depths {depths} and widths {widths} differ in length; give one of each per {each}."]


def undivided_widths(cardinality: int, widths: Sequence[int]) -> list[str]:
    """A sentence where groups do not divide some of the widths."""
    wrong = [width for width in widths if width % cardinality]
    return [f"cardinality = {cardinality} does not divide the widths {wrong}; use a divisor."] if wrong else []
