"""Cosines one after the other: SGDR, Loshchilov and Hutter 2016, Section 3 (arXiv 1608.03983)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule


class CosineRestarts(Schedule):
    """After the warm-up, half a period of the cosine from lr to `final` times lr, again and again.

    Each is `factor` times as long as the one before it (T_0 = `restart_after` and T_mult = `factor` in the paper).
    """

    restart_after: Duration = Duration("25 %")
    """The length of the first cosine; then the learning rate restarts at its full value."""

    factor: Annotated[int, Field(ge=1)] = 1
    """The factor by which each cosine is longer than the one before it."""

    final: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the learning rate that is left at the end of each cosine."""

    def after_warmup(self, step: int, warmup: int, clock: Clock) -> float:
        done, length = self._place(step - warmup, clock)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done / length))

    def _place(self, step: int, clock: Clock) -> tuple[int, int]:
        """The steps done in the current cosine and its length, after `step` steps since the warm-up."""
        length = max(1, clock.steps(self.restart_after))
        if self.factor == 1:
            return step % length, length
        while step >= length:
            step, length = step - length, self.factor * length
        return step, length

    def problems(self, clock: Clock) -> Iterator[str]:
        yield from super().problems(clock)
        first, left = clock.steps(self.restart_after), clock.length - clock.steps(self.warmup)
        if first < 1:
            yield f'schedule.restart_after = "{self.restart_after}" is less than one step; give a longer time.'
        elif first >= left > 0:
            yield (
                f'schedule.restart_after = "{self.restart_after}" is {first:,} steps, and {left:,} are left for '
                "cosines: there would be no restart; give a shorter time, or take schedule=Cosine."
            )

    def notes(self, clock: Clock) -> Sequence[str]:
        """A sentence if the run ends before the end of a cosine, where the learning rate is still high."""
        warmup = clock.steps(self.warmup)
        done, length = self._place(clock.length - warmup, clock)
        if done in (0, length - 1):  # at the end of a cosine; its length may be rounded
            return ()
        start = clock.length - done
        return (
            f"The run ends in the middle of a cosine, at {self.share(clock.length - 1, clock):.0%} of the learning "
            f"rate. It would end with a cosine after {start:,} or {start + length:,} steps "
            f"({clock.epoch(start):g} or {clock.epoch(start + length):g} epochs).",
        )
