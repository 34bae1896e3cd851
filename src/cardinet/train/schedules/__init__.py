"""How the learning rate moves; one file for each rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError
from cardinet.base.parts import Part
from cardinet.train.clock import Clock


class Schedule(Part):
    """A rule for the learning rate after a warm-up, which is linear.

    A rule is a subclass with `after_warmup`; what has no meaning in its own settings it adds to `problems`.
    """

    warmup: Duration = Duration("0 steps")
    """The time in which the learning rate rises by equal parts to its full value."""

    warmup_from: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The share of the learning rate from which the warm-up rises."""

    def share(self, step: int, clock: Clock) -> float:
        """The learning rate of the step after `step` done ones, as a share of the optimizer's lr."""
        warmup = clock.steps(self.warmup)
        if step < warmup:
            return self.warmup_from + (1 - self.warmup_from) * ((step + 1) / warmup)
        return self.after_warmup(step, warmup, clock)

    def after_warmup(self, step: int, warmup: int, clock: Clock) -> float:
        """The same for a step after the `warmup` first ones."""
        raise NotImplementedError

    def problems(self, clock: Clock) -> Iterator[str]:
        """What would do nothing in a run, or not what was meant, one sentence each."""
        if clock.steps(self.warmup) >= clock.length and not within(self.warmup):
            yield f'schedule.warmup = "{self.warmup}" is as long as the run or longer; shorten it.'

    def check(self, clock: Clock) -> None:
        """Raise RequestError with all problems."""
        if found := list(self.problems(clock)):
            raise RequestError(*found)


def within(duration: Duration) -> bool:
    """Whether a duration is a part of the run, however few steps that has."""
    return duration.unit == "%" and duration.amount < 100
