"""The types of the numbers in a description, each with its valid range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from cardinet.base.bounds import COUNT, UNITS


def at_most(most: int) -> AfterValidator:
    """A check that a number is not so large that no memory could hold the network."""

    def check(number: float) -> float:
        if number > most:
            raise ValueError(f"the network is too large; {most:,} is the most, also with --no-bounds")
        return number

    return AfterValidator(check)


NONE_AS_A_WORD = BeforeValidator(lambda value: None if value == "none" else value)
"""Reads the word "none" as None within a list, where text cannot write None otherwise."""

Count = Annotated[int, Field(ge=1), at_most(COUNT)]
Depth = Annotated[int, Field(ge=1), at_most(UNITS)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=32)]
"""The number of units in each stage. Nearly every stage halves the picture, so more than 32 stages are useless."""

Rate = Annotated[float, Field(ge=0, lt=1)]

Survival = Annotated[float, Field(gt=0, le=1)]
"""A probability of being kept."""

Share = Annotated[float, Field(ge=0, le=1)]


def unequal(depths: Sequence[int], widths: Sequence[int], each: str) -> list[str]:
    """A sentence if the numbers of depths and widths differ; `each` says what they are per, such as "stage"."""
    if len(depths) == len(widths):
        return []
    return [f"depths {depths} and widths {widths} differ in length; give one of each per {each}."]


def undivided_widths(cardinality: int, widths: Sequence[int]) -> list[str]:
    """A sentence if the groups do not divide some of the widths."""
    wrong = [width for width in widths if width % cardinality]
    return [f"cardinality = {cardinality} does not divide the widths {wrong}; use a divisor."] if wrong else []
