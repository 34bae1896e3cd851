"""By how much two results of one function may differ: one rule for rewrites, exported files and files of others.

A difference is that of logits, as a share of the largest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

EXACT = 1e-10
"""In float64, where only rounding differs."""

ROUNDING = 1e-3
"""In float32; two logits that are no further apart are a near-tie."""

TIMES = 10
"""In float32 more than that only where the network itself rounds a tenth of it, as a thousand layers do."""


def share(difference: float, largest: float) -> float:
    """A difference as a share of the largest value; infinite where that is 0, and no number where it is none itself."""
    if difference == 0 or math.isnan(difference):
        return difference
    return difference / largest if largest > 0 else float("inf")


def float32_limit(difference: float, rounding: Callable[[], float]) -> float:
    """How large a difference in float32 may be.

    `rounding` says what the network itself rounds, against float64; it is asked only where most networks round less.
    """
    return ROUNDING if difference <= ROUNDING else max(ROUNDING, TIMES * rounding())
