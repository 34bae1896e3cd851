"""The check of whole numbers from the command line and from Python, and the limits that several verbs share."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral

from cardinet.base.errors import RequestError

SEED = 2**63 - 1
"""The largest seed, the largest number of torch's generators."""

WORKERS = 256
"""The most processes or threads that decode pictures."""

THREADS = 1024
"""The most threads that compute."""

PASSES = 10_000
"""The most passes that are averaged for a network that draws random numbers."""

SIDE = 65_536
"""The largest side, in pixels, of a picture for which a network is counted."""


def require_whole(least: int, most: int | None = None, **numbers: object) -> None:
    """Raise RequestError that names each of the `numbers` that is not a whole number from `least` to `most`."""
    wrong = {name: number for name, number in numbers.items() if not _within(number, least, most)}
    if wrong:
        end = "on" if most is None else f"to {most:,}"
        raise RequestError(
            *(f"{n} = {number!r}: give a whole number from {least} {end}." for n, number in wrong.items())
        )


def without_exponent(number: float) -> str:
    """A number with all its digits and without an exponent."""
    return f"{Decimal(repr(number)).normalize():f}" if math.isfinite(number) else str(number)


def _within(number: object, least: int, most: int | None) -> bool:
    if isinstance(number, bool) or not isinstance(number, Integral):
        return False
    return int(number) >= least and (most is None or int(number) <= most)
