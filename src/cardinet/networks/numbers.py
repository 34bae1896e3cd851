"""The types of the numbers in a description, each with the range in which it has a meaning."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from cardinet.base.bounds import COUNT, UNITS


def at_most(most: int) -> AfterValidator:
    """A check of a number in a description, whose larger values no memory would hold as a network."""

    def check(number: float) -> float:
        if number > most:
            raise ValueError(f"the network is too large; {most:,} is the most, also with --no-bounds")
        return number

    return AfterValidator(check)


Count = Annotated[int, Field(ge=1), at_most(COUNT)]
Depth = Annotated[int, Field(ge=1), at_most(UNITS)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1, max_length=32)]
"""Units stage by stage. Nearly every stage halves the picture, so that more stages have no meaning."""

Rate = Annotated[float, Field(ge=0, lt=1)]

Survival = Annotated[float, Field(gt=0, le=1)]
"""The probability with which something is kept."""

Share = Annotated[float, Field(ge=0, le=1)]
