"""Compare the time of several calls: they run in turn, so that other work on the machine slows all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

LEAST = 5
"""The least number of rounds, however long they take."""


def time_in_turn(
    calls: Mapping[str, Callable[[], object]], *, seconds: float, most: int
) -> dict[str, tuple[float, ...]]:
    """The milliseconds of each call in each round; about `seconds` in all, at most `most` rounds.

    Every round runs all calls, in an order that is reversed from round to round. Each measured call follows an
    unmeasured one, which warms the caches again after another call.
    """
    for call in calls.values():
        call()

    def measured(call: Callable[[], object]) -> float:
        call()
        start = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - start)

    return rounds_in_turn({name: partial(measured, call) for name, call in calls.items()}, seconds=seconds, most=most)


def rounds_in_turn(
    turns: Mapping[str, Callable[[], float]], *, seconds: float, most: int, least: int | None = None
) -> dict[str, tuple[float, ...]]:
    """The values that each of the turns gives in each round; about `seconds` in all, from `least` to `most` rounds.

    Without `least` it is `LEAST`. The order of a round is the reverse of that before it.
    """
    found: dict[str, list[float]] = {name: [] for name in turns}
    end, names = time.perf_counter() + seconds, list(turns)
    for number in range(most):
        if number >= (LEAST if least is None else least) and time.perf_counter() >= end:
            break
        for name in names if number % 2 == 0 else names[::-1]:
            found[name].append(turns[name]())
    return {name: tuple(values) for name, values in found.items()}
