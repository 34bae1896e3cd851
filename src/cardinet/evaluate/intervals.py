"""The interval of a share that was counted."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""The quantile of the normal distribution for an interval of 95 %."""


def wilson(hits: float, count: int) -> tuple[float, float]:
    """Wilson's score interval (95 %) of a share of `hits` in `count` (Wilson 1927); NaN if nothing was counted."""
    if count == 0:
        return math.nan, math.nan
    share, more = hits / count, Z * Z / count
    middle = (share + more / 2) / (1 + more)
    half = Z / (1 + more) * math.sqrt(share * (1 - share) / count + more / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)
