"""A learning rate that falls by the same factor again and again, as the Inception networks are trained (Szegedy et al.
2015, Section 8, arXiv 1512.00567: by 0.94 every two epochs).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.base.durations import Duration
from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule


class Exponential(Schedule):
    """lr, times `factor` each time that `every` has passed since the start of the run."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.94
    """The factor by which each drop multiplies the learning rate."""

    every: Duration = Duration("2 epochs")
    """The time between two drops."""

    def after_warmup(self, step: int, warmup: int, clock: Clock) -> float:
        return float(self.factor ** (step // max(1, clock.steps(self.every))))

    def problems(self, clock: Clock) -> Iterator[str]:
        yield from super().problems(clock)
        every = clock.steps(self.every)
        if every < 1:
            yield f'schedule.every = "{self.every}" is less than one step; give a longer time.'
        elif every >= clock.length:
            yield (
                f'schedule.every = "{self.every}" is {amount(every, "step")}, and the run ends after {clock.length:,}: '
                "the rate would never drop; give a shorter time."
            )
