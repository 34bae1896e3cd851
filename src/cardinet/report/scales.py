"""Axes: the position of a value on an axis, and the values of its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["linear", "log", "sqrt"]


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`: linear, logarithmic, or square-root (which spreads small errors and includes 0)."""

    kind: Kind
    low: float
    high: float

    def position(self, value: float) -> float:
        """0 at `low`, 1 at `high`."""
        low, high = _bend(self.kind, self.low), _bend(self.kind, self.high)
        return (_bend(self.kind, value) - low) / (high - low)

    def ticks(self, most: int = 6) -> list[float]:
        """About `most` round values from low to high."""
        if self.kind == "linear":
            return linear_ticks(self.low, self.high, most)
        candidates = _series(self.low, self.high, (5, 2, 1))
        if self.kind == "sqrt":
            return _spread(self, [*candidates, 0.0], 0.75 / most)
        if len(candidates) <= 1.5 * most:
            return candidates[::-1]
        return _spread(self, _series(self.low, self.high, (1,)), 0.75 / most)


def _bend(kind: Kind, value: float) -> float:
    if kind == "log":
        return math.log10(value)
    return math.sqrt(value) if kind == "sqrt" else value


def _series(low: float, high: float, digits: tuple[int, ...]) -> list[float]:
    """The digits times powers of ten within the range, the largest first."""
    bottom = low if low > 0 else high / 1e4
    exponents = range(math.floor(math.log10(high)), math.floor(math.log10(bottom)) - 1, -1)
    return [v for e in exponents for d in digits if bottom <= (v := float(f"{d}e{e}")) <= high]


def _spread(scale: Scale, candidates: list[float], gap: float) -> list[float]:
    """The candidates without those too close to a larger one, in rising order. A zero is always kept."""
    kept: list[float] = []
    for value in candidates:
        at = scale.position(value)
        free = not kept or scale.position(kept[-1]) - at >= gap
        if value == 0 and not free:
            kept.pop()
            free = True
        if free:
            kept.append(value)
    return kept[::-1]


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2, or 5 times a power of ten within [low, high]."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(f * unit for f in (1, 2, 5, 10) if f * unit >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def from_zero(values: Iterable[float], kind: Literal["linear", "sqrt"] = "linear") -> Scale:
    """An axis from 0 to a little above the largest value."""
    top = max((v for v in values), default=0.0)
    return Scale(kind, 0.0, 1.06 * top if top > 0 else 1.0)


def for_loss(values: list[float]) -> Scale:
    """Logarithmic if the values span more than a factor of ten, else linear, from 0 unless values are negative."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low > 0 and high > 10 * low:
        return Scale("log", low / 1.15, high * 1.15)
    if low >= 0:
        return from_zero(values)
    air = 0.06 * (high - low) or 1.0
    return Scale("linear", low - air, high + air)


def for_error(values: list[float]) -> Scale:
    """From 0; square-root if the values span more than a factor of six."""
    positive = [v for v in values if v > 0]
    wide = bool(positive) and max(positive) > 6 * min(positive)
    return from_zero(values, "sqrt" if wide else "linear")


def for_rate(values: list[float]) -> Scale:
    """For a learning rate: logarithmic if it changes in a few large steps, else linear from 0."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low > 0 and high >= 9 * low and len(set(values)) <= 6:
        return Scale("log", low / 1.5, high * 1.5)
    return from_zero(values)


def linear(values: list[float]) -> Scale:
    """A linear axis: from 0 if the values are near it or on both sides of it, else around the values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and low <= 0.5 * high:
        return from_zero(values)
    air = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return Scale("linear", low - air, high + air)


def logarithmic(values: list[float]) -> Scale:
    """A logarithmic axis over the values above 0."""
    positive = [value for value in values if value > 0]
    low, high = min(positive, default=0.1), max(positive, default=1.0)
    return Scale("log", low / 1.3, high * 1.3)


def around_zero(values: list[float]) -> Scale:
    """A linear axis that includes 0, for bars; from 0 to 1 if there is nothing else than 0."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if low == high:
        return Scale("linear", 0.0, 1.0)
    air = 0.06 * (high - low)
    return Scale("linear", low - (air if low < 0 else 0.0), high + (air if high > 0 else 0.0))
