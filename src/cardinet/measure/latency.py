"""How long something takes: contenders in turn, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

LEAST = 5
"""Rounds, however long they take."""


def in_turn(calls: Mapping[str, Callable[[], object]], *, seconds: float, most: int) -> dict[str, tuple[float, ...]]:
    """Milliseconds of each call, one for each round in which all ran in turn; about `seconds`, at most `most` rounds.

    The order turns round by round. A run just before the counted one warms the caches that the contender before has
    used.
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
