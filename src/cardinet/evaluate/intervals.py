"""The intervals of a share that was counted and of a mean difference."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

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


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean of first - second over pairs, and its interval (95 %) by Student's t; none for a single pair.

    Raises ValueError if there is no pair.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean, count = statistics.fmean(differences), len(differences)
    if count < 2:
        return mean, None
    from scipy.stats import t  # a slow import, and needed only here

    reach = float(t.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    return mean, (mean - reach, mean + reach)
