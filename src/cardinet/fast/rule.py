"""When a job is run by the fastest runtime although nobody has asked for it."""

from __future__ import annotations

FEWEST = 64
"""For fewer pictures nothing is estimated: no network is so slow that a choice pays."""

SECONDS = 20.0
"""The seconds of a choice: the runtimes are prepared, compared and measured in turn."""

SHARE = 1 / 3
"""The share of the network's time that a choice is expected to save, as long as nothing was measured."""

TIMES = 2.0
"""So many times its cost has a choice to save."""


def pays(pictures: int, saved: float, cost: float) -> bool:
    """Whether it pays to save some seconds for each of the pictures that are left, at a cost in seconds."""
    return pictures >= FEWEST and pictures * saved >= TIMES * cost
