"""How long a file takes for a batch beside the network and its other forms, all in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cardinet.export.runner import Array, Runner

BATCHES = (1, 8)
SECONDS = 3.0
LEAST, MOST = 5, 100


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a batch, the median of `rounds` runs; in each round every contender ran twice, once counted."""

    batch: int
    rounds: int
    median: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]]

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as many pictures the second does."""
        return self.median[slow] / self.median[fast]

    def to_document(self) -> dict[str, Any]:
        contenders = {
            name: {"milliseconds": value, "quartiles": list(self.spread[name])} for name, value in self.median.items()
        }
        return {"batch": self.batch, "rounds": self.rounds, **contenders}


def latencies(
    contenders: Mapping[str, Runner], pixels: Array, *, batches: tuple[int, ...] = BATCHES, seconds: float = SECONDS
) -> tuple[Latency, ...]:
    """The latency of every contender at each batch size, repeating the pictures given where they are fewer.

    The contenders alternate, in an order that turns round by round, so that what else the machine does meets all of
    them. A run just before the counted one warms the caches that the contender before has used. About `seconds` a size.
    """
    return tuple(_latency(contenders, np.resize(pixels, (n, *pixels.shape[1:])), seconds) for n in batches)


def _latency(contenders: Mapping[str, Runner], pixels: Array, seconds: float) -> Latency:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for runner in contenders.values():
        runner.logits(pixels)
    end, rounds = time.perf_counter() + seconds, 0
    names = list(contenders)
    while rounds < LEAST or (rounds < MOST and time.perf_counter() < end):
        for name in names if rounds % 2 == 0 else names[::-1]:
            contenders[name].logits(pixels)
            start = time.perf_counter()
            contenders[name].logits(pixels)
            times[name].append(1000 * (time.perf_counter() - start))
        rounds += 1
    quartiles = {name: statistics.quantiles(values, n=4) for name, values in times.items()}
    return Latency(
        batch=len(pixels),
        rounds=rounds,
        median={name: statistics.median(values) for name, values in times.items()},
        spread={name: (q[0], q[2]) for name, q in quartiles.items()},
    )
