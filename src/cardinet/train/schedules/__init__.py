"""Schedules of the learning rate; one file for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError
from cardinet.base.recipe_parts import RecipePart
from cardinet.train.clock import Clock


class Schedule(RecipePart):
    """A rule for the learning rate after a linear warm-up.

    A subclass gives the rule in `after_warmup`, and adds to `problems` what makes no sense in its settings.
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
        """The share for a step after the first `warmup` steps."""
        raise NotImplementedError

    def momentum(self, step: int, clock: Clock) -> float | None:
        """The optimizer's momentum in the step after `step` done ones; None: the optimizer's own, all the time."""
        return None

    def problems(self, clock: Clock) -> Iterator[str]:
        """Sentences on settings that would have no effect in a run, or not the intended one."""
        if clock.steps(self.warmup) >= clock.length and not within(self.warmup):
            yield f'schedule.warmup = "{self.warmup}" is as long as the run or longer; shorten it.'

    def notes(self, clock: Clock) -> Sequence[str]:
        """Sentences for the user on what the rates of a run are."""
        return ()

    def check(self, clock: Clock) -> None:
        """Raise RequestError with all problems."""
        if found := list(self.problems(clock)):
            raise RequestError(*found)


def within(duration: Duration) -> bool:
    """Whether a duration is a share of the run, so that it fits into any run."""
    return duration.unit == "%" and duration.amount < 100
