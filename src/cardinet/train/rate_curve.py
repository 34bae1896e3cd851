"""The losses of a sweep over learning rates: smoothed, and read for the rate at which training learns fastest.

No torch is needed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 3.0
"""The standard deviation, in steps, of the weights by which a loss is averaged with those before and after it."""

EXPLODED = 4.0
"""The sweep ends when the running mean of the loss is so many times its lowest value (as in fastai)."""

WORSE, OF_LOWEST = 1.5, 2.0
"""It also ends at so many times the loss of the untrained network, if that is so many times the lowest value. Networks
with BN do not explode, but forget all that they have learnt.
"""

FIRST = 5
"""The number of steps after which the running mean is that of the untrained network."""

MEMORY = 0.8
"""The share of the running mean that each step keeps while the sweep runs."""

CLEARLY = 3.0
"""The smoothed loss must fall below the mean of the first losses by so many times the mean distance between a loss and
the curve.
"""

RULE = (
    "the rate at which the smoothed loss falls most steeply over the logarithm of the rate, but at most a tenth of the "
    "rate at which the sweep diverged"
)
"""The rule of the suggestion: Smith 2015, Section 3.3 (arXiv 1506.01186), and fastai's lr_find."""


@dataclass(frozen=True)
class RateCurve:
    """Losses by rising learning rates; `diverged` is the rate at which the sweep ended before its last rate.

    `steepest` and `lowest` are the rates at which the smoothed loss falls fastest and is lowest. `suggestion` follows
    `RULE`, with two digits; it and `steepest` are None if the loss does not clearly fall.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    lowest: float
    steepest: float | None
    diverged: float | None
    suggestion: float | None


def read_curve(rates: Sequence[float], losses: Sequence[float], diverged: float | None = None) -> RateCurve:
    """What the losses of a sweep say. There is at least one finite loss for each rate."""
    smoothed = smooth(losses)
    bottom = min(range(len(smoothed)), key=smoothed.__getitem__)
    noise = sum(abs(a - b) for a, b in zip(losses[: bottom + 1], smoothed, strict=False)) / (bottom + 1)
    early = losses[: max(1, len(losses) // 10)]
    steepest = None
    if bottom >= 2 and sum(early) / len(early) - smoothed[bottom] > CLEARLY * noise:
        slopes = {i: smoothed[i + 1] - smoothed[i - 1] for i in range(1, bottom)}
        steepest = rates[min(slopes, key=slopes.__getitem__)]
    suggestion = None
    if steepest is not None:
        suggestion = float(f"{min(steepest, math.inf if diverged is None else diverged / 10):.2g}")
    return RateCurve(tuple(rates), tuple(losses), smoothed, rates[bottom], steepest, diverged, suggestion)


def smooth(losses: Sequence[float]) -> tuple[float, ...]:
    """Each loss averaged with its neighbours, by normal weights of their distance in steps.

    Unlike a running mean, this does not lag behind the losses. At the ends a line is fitted, so that a slope stays.
    """
    return tuple(_fitted(losses, i) for i in range(len(losses)))


def _fitted(losses: Sequence[float], at: int) -> float:
    """The value at `at` of the line through the losses around it, fitted with the weights."""
    reach = int(4 * WIDTH)
    near = range(max(0, at - reach), min(len(losses), at + reach + 1))
    weights = [math.exp(-0.5 * ((i - at) / WIDTH) ** 2) for i in near]
    total = sum(weights)
    x = sum(w * (i - at) for w, i in zip(weights, near, strict=True)) / total
    y = sum(w * losses[i] for w, i in zip(weights, near, strict=True)) / total
    spread = sum(w * (i - at - x) ** 2 for w, i in zip(weights, near, strict=True))
    if spread == 0:
        return y
    slope = sum(w * (i - at - x) * (losses[i] - y) for w, i in zip(weights, near, strict=True)) / spread
    return y - slope * x


class Explosion:
    """Watches the losses of a sweep while it runs: `grown(loss)` says whether they have exploded."""

    def __init__(self) -> None:
        self.sum = self.weight = 0.0
        self.lowest = self.first = math.inf
        self.count = 0

    def grown(self, loss: float) -> bool:
        """Whether the running mean, with this loss, has grown so much, or is no number."""
        if not math.isfinite(loss):
            return True
        self.sum, self.weight = MEMORY * self.sum + loss, MEMORY * self.weight + 1
        mean = self.sum / self.weight
        self.lowest = min(self.lowest, mean)
        self.count += 1
        if self.count == FIRST:
            self.first = mean
        return mean > EXPLODED * self.lowest or mean > max(WORSE * self.first, OF_LOWEST * self.lowest)
