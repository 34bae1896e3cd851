"""A learning rate that drops at given times, as the papers of the ResNets have it (He et al. 2015, Section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule, within


class Step(Schedule):
    """lr, times `factor` at each of the `drops`."""

    drops: tuple[Duration, ...] = ()
    """The times at which the learning rate drops, in order."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The factor by which each drop multiplies the learning rate."""

    def after_warmup(self, step: int, warmup: int, clock: Clock) -> float:
        return float(self.factor ** sum(step >= clock.steps(drop) for drop in self.drops))

    def problems(self, clock: Clock) -> Iterator[str]:
        yield from super().problems(clock)
        drops = [clock.steps(drop) for drop in self.drops]
        if drops != sorted(drops):
            yield "schedule.drops must rise; write them in order."
        if drops and drops[-1] >= clock.length and not within(self.drops[-1]):
            yield (
                f'schedule.drops: "{self.drops[-1]}" is step {drops[-1]:,}, and the run ends after {clock.length:,}; '
                "give drops in percent, or fewer."
            )
