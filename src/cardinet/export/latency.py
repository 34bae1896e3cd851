"""The latency of a file, the network and the file's other forms for a batch, measured in turn."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cardinet.export.runner import Array, Runner
from cardinet.measure.timing import time_in_turn

BATCHES = (1, 8)


@dataclass(frozen=True)
class Latency:
    """The milliseconds for a batch by contender, one for each round. In a round all contenders run in turn."""

    batch: int
    times: Mapping[str, tuple[float, ...]]

    @property
    def rounds(self) -> int:
        return len(next(iter(self.times.values())))

    @property
    def median(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self.times.items()}

    def quartiles(self, name: str) -> tuple[float, float]:
        """The lower and upper quartile of a contender's milliseconds."""
        low, _, high = statistics.quantiles(self.times[name], n=4)
        return low, high

    def ratios(self, slow: str, fast: str) -> tuple[float, ...]:
        """The speed of `fast` relative to `slow`, round by round."""
        return tuple(a / b for a, b in zip(self.times[slow], self.times[fast], strict=True))

    def ratio(self, slow: str, fast: str) -> float:
        """The median of the ratios. Other work on the machine slows both of a round, so it cancels out."""
        return statistics.median(self.ratios(slow, fast))

    def to_document(self) -> dict[str, Any]:
        contenders = {
            name: {"milliseconds": value, "quartiles": list(self.quartiles(name))}
            for name, value in self.median.items()
        }
        return {"batch": self.batch, "rounds": self.rounds, **contenders}


def latencies(
    contenders: Mapping[str, Runner],
    pixels: Array,
    *,
    batches: tuple[int, ...] = BATCHES,
    seconds: float,
    most: int,
) -> tuple[Latency, ...]:
    """The latency of every contender for each batch size; the pictures are repeated to fill a batch.

    The contenders run in turn, for about `seconds` per batch size and at most `most` rounds.
    """
    return tuple(_latency(contenders, np.resize(pixels, (n, *pixels.shape[1:])), seconds, most) for n in batches)


def _latency(contenders: Mapping[str, Runner], pixels: Array, seconds: float, most: int) -> Latency:
    calls = {name: partial(runner.logits, pixels) for name, runner in contenders.items()}
    return Latency(len(pixels), time_in_turn(calls, seconds=seconds, most=most))
