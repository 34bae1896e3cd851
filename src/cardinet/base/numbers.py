"""Whole numbers that a caller gives: by name, within what has a meaning, for the command line and Python alike."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral

from cardinet.base.errors import RequestError

WORKERS = 256
"""So many processes or threads may decode pictures."""

THREADS = 1024
"""So many threads may compute."""

PASSES = 10_000
"""So many passes of a network that draws may be averaged."""

SIDE = 65_536
"""So many pixels a side may a picture have for which a network is counted."""


def require_whole(least: int, most: int | None = None, **numbers: object) -> None:
    """Raise RequestError with each of the numbers, by its name, that is no whole number from `least` to `most`."""
    wrong = {name: number for name, number in numbers.items() if not _within(number, least, most)}
    if wrong:
        end = "on" if most is None else f"to {most:,}"
        raise RequestError(
            *(f"{n} = {number!r}: give a whole number from {least} {end}." for n, number in wrong.items())
        )


def plain(number: float) -> str:
    """A number with all its digits and without an exponent."""
    return f"{Decimal(repr(number)).normalize():f}" if math.isfinite(number) else str(number)


def _within(number: object, least: int, most: int | None) -> bool:
    if isinstance(number, bool) or not isinstance(number, Integral):
        return False
    return int(number) >= least and (most is None or int(number) <= most)
