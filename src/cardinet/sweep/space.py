"""The space of a sweep: for each setting its possible values, and how a draw becomes one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from cardinet.base.errors import RequestError
from cardinet.base.settings import Settings, validate

DIGITS = 4
"""The digits of a drawn number that is not a step of its range."""
MOST_POINTS = 100_000
"""The most values of a range in a grid."""


class Range(Settings):
    """Numbers from `low` to `high`, both included."""

    low: float
    """The smallest value."""

    high: float
    """The largest value."""

    log: bool = False
    """Whether a draw is even in the logarithm, as for learning rates."""

    step: float | None = Field(default=None, gt=0)
    """The distance between values, counted from low; none: any value."""

    whole: bool = False
    """Whether values are whole numbers."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low:g}: a logarithm needs numbers above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step cannot be combined; give one of them")
        numbers = (self.low, self.high, self.step or 1.0)
        if self.whole and not all(float(number).is_integer() for number in numbers):
            raise ValueError("whole needs whole numbers as low, high and step")
        return self

    @property
    def grid(self) -> float | None:
        """The distance between values, if they have one."""
        return self.step or (1.0 if self.whole else None)

    @property
    def count(self) -> int:
        """The number of values of a range with a distance."""
        assert self.grid is not None
        return math.floor((self.high - self.low) / self.grid + 1e-9) + 1

    def point(self, number: int) -> float | int:
        """The value of that number, of a range with a distance."""
        assert self.grid is not None
        return self.plain(self.low + number * self.grid)

    def at(self, share: float) -> float | int:
        """The value at a uniform draw from [0, 1)."""
        if self.log:
            top = self.high + 1 if self.whole else self.high
            value = math.exp(math.log(self.low) + share * (math.log(top) - math.log(self.low)))
            return self.plain(math.floor(value) if self.whole else value)
        if self.grid is not None:
            return self.point(math.floor(share * self.count))
        return self.plain(self.low + share * (self.high - self.low))

    def plain(self, value: float) -> float | int:
        """The number as it is written and used: whole, or with few digits, and within the range."""
        inside = min(self.high, max(self.low, value))
        if self.whole:
            return round(inside)
        digits = DIGITS if self.step is None else 12
        return min(self.high, max(self.low, float(f"{inside:.{digits}g}")))

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that are checked before work."""
        return self.plain(self.low), self.plain(self.high)

    @property
    def points(self) -> tuple[Any, ...]:
        """All values, for a grid. Raises RequestError if they are not countable, or too many."""
        if self.grid is None:
            raise RequestError(f"a grid needs steps from {self.low:g} to {self.high:g}; give step, or a list of values")
        if self.count > MOST_POINTS:
            raise RequestError(f"{self.count:,} values are too many for a grid; give a larger step")
        return tuple(self.point(number) for number in range(self.count))


class Choices:
    """A list of values, each as probable as another."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)

    def at(self, share: float) -> Any:
        """The value at a uniform draw from [0, 1)."""
        return self.values[math.floor(share * len(self.values))]

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values

    @property
    def points(self) -> tuple[Any, ...]:
        return self.values


Dimension = Range | Choices


def dimension(key: str, value: Any) -> Dimension:
    """The possible values of a setting as a file writes them: a list, or a table with low and high.

    Raises RequestError.
    """
    if isinstance(value, Mapping):
        return validate(Range, value, f"space.{key}.")
    if isinstance(value, list):
        if len({repr(one) for one in value}) != len(value) or not value:
            raise RequestError(f"space.{key} = {value}: give different values, at least one.")
        return Choices(value)
    raise RequestError(
        f"space.{key} = {value!r}: give a list of values, or {{low = 1, high = 2}}; a fixed value stands in [settings]."
    )
