"""Compare the time of several calls: they run in turn, so that other work on the machine slows all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

LEAST = 5
"""The least number of rounds, however long they take."""


def time_in_turn(
    calls: Mapping[str, Callable[[], object]], *, seconds: float, most: int
) -> dict[str, tuple[float, ...]]:
    """The milliseconds of each call in each round; about `seconds` in all, at most `most` rounds.

    Every round runs all calls, in an order that is reversed from round to round. Each measured call follows an
    unmeasured one, which warms the caches again after another call.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    end, names = time.perf_counter() + seconds, list(calls)
    for number in range(most):
        if number >= LEAST and time.perf_counter() >= end:
            break
        for name in names if number % 2 == 0 else names[::-1]:
            calls[name]()
            start = time.perf_counter()
            calls[name]()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: tuple(found) for name, found in times.items()}
