"""Cosines one after the other: SGDR, Loshchilov and Hutter 2016, Section 3 (arXiv 1608.03983)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.base.durations import Duration
from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule

NEAR = 0.05
"""The part of a cosine that may be missing at the end of a run: the rate is then below 1 % of its full value."""


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
        _, done, length = self._place(step - warmup, clock)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done / length))

    def _place(self, step: int, clock: Clock) -> tuple[int, int, int]:
        """After `step` steps since the warm-up: the cosines that are over, the steps of the next, and its length."""
        length = max(1, clock.steps(self.restart_after))
        if self.factor == 1:
            return step // length, step % length, length
        over = 0
        while step >= length:
            over, step, length = over + 1, step - length, self.factor * length
        return over, step, length

    def problems(self, clock: Clock) -> Iterator[str]:
        yield from super().problems(clock)
        first, left = clock.steps(self.restart_after), clock.length - clock.steps(self.warmup)
        if first < 1:
            yield f'schedule.restart_after = "{self.restart_after}" is less than one step; give a longer time.'
        elif first >= left > 0:
            yield (
                f'schedule.restart_after = "{self.restart_after}" is {amount(first, "step")}, and {left:,} are left '
                "for cosines: there would be no restart; give a shorter time, or take schedule=Cosine."
            )

    def notes(self, clock: Clock) -> Sequence[str]:
        """A sentence if the run ends before the end of a cosine, where the learning rate is still high."""
        left = clock.length - clock.steps(self.warmup)
        over, done, length = self._place(left, clock)
        if done == 0 or length - done <= NEAR * length:
            return ()
        fitting = {n: -(-left // sum(self.factor**i for i in range(n))) for n in {max(2, over), over + 1}}
        ways = " or ".join(f'"{steps} steps" ({n} cosines)' for n, steps in sorted(fitting.items()))
        return (
            f"The run ends in the middle of a cosine, at {100 * self.share(clock.length - 1, clock):.0f} % of the "
            f"learning rate; with schedule.restart_after = {ways} it ends at the end of one.",
        )
