"""How a cost grows: the exponents of a curve on logarithmic axes, and the place where it bends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 0.2
"""The least difference of two exponents that counts as a bend."""

GAIN = 4.0
"""A curve bends only if two lines leave at most this part of the squared error of one line."""


@dataclass(frozen=True)
class Growth:
    """A cost grows as x to the power `before` up to `place`, and to the power `after` beyond it.

    Without a bend `place` is None, and both exponents are that of the whole curve.
    """

    before: float
    after: float
    place: float | None

    def sentence(self, cost: str, x: str) -> str:
        """What was found, for the user."""
        if self.place is None:
            return f"{cost} grows with {x} to the power {self.before:.2f}."
        powers = f"{self.before:.2f} up to {self.place:g}, and {self.after:.2f} beyond it"
        return f"{cost} grows with {x} to the power {powers}."


def growth(x: Sequence[float], y: Sequence[float]) -> Growth:
    """The exponents of y over x, both above 0, x growing, and the bend.

    In logarithms one line, and for each inner point two lines that meet there, are fitted by least squares. Two lines
    with the least error are a bend if both have two or more points of their own and the error is clearly less.
    """
    logs, costs = np.log(np.asarray(x, dtype=np.float64)), np.log(np.asarray(y, dtype=np.float64))
    (_, slope), error = _fitted(np.stack([np.ones_like(logs), logs], axis=1), costs)
    whole = Growth(float(slope), float(slope), None)
    if len(logs) < 4:
        return whole
    best = min((_two_lines(logs, costs, i) for i in range(1, len(logs) - 1)), key=lambda found: found[1])
    (before, after), two, index = best
    bends = abs(before - after) >= LEAST and GAIN * two <= error
    return Growth(before, after, float(x[index])) if bends else whole


def _two_lines(logs: np.ndarray, costs: np.ndarray, index: int) -> tuple[tuple[float, float], float, int]:
    moved = logs - logs[index]
    sides = [np.ones_like(logs), np.minimum(moved, 0), np.maximum(moved, 0)]
    (_, before, after), error = _fitted(np.stack(sides, axis=1), costs)
    return (float(before), float(after)), error, index


def _fitted(terms: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, float]:
    """The coefficients of a fit and its squared error."""
    found = np.linalg.lstsq(terms, costs, rcond=None)[0]
    return found, float(((terms @ found - costs) ** 2).sum())
