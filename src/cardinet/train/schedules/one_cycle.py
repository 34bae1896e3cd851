"""One rise and one fall of the learning rate: Smith and Topin 2017 (arXiv 1708.07120)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule


class OneCycle(Schedule):
    """From `warmup_from` times lr to lr, which the last step of the warm-up has, then to `final` times lr.

    The defaults are those of torch.optim.lr_scheduler.OneCycleLR, which gives the same rates. Only the learning rate
    moves; the momentum stays.
    """

    warmup: Duration = Duration("30 %")
    """The time in which the learning rate rises to its full value."""

    warmup_from: Annotated[float, Field(ge=0, le=1)] = 1 / 25
    """The share of the learning rate that the first step has."""

    final: Annotated[float, Field(ge=0, lt=1)] = 1 / 25 / 1e4
    """The share of the learning rate that the last step has."""

    shape: Literal["cosine", "linear"] = "cosine"
    """The shape of both sides: half a period of the cosine, or a line as in the paper."""

    def share(self, step: int, clock: Clock) -> float:
        peak, last = clock.steps(self.warmup) - 1, clock.length - 1
        if step < peak:
            return self._between(self.warmup_from, 1.0, step / peak)
        return self._between(1.0, self.final, (step - peak) / max(1, last - peak))

    def _between(self, start: float, end: float, share: float) -> float:
        if self.shape == "cosine":
            share = 0.5 * (1 - math.cos(math.pi * share))
        return start + (end - start) * share

    def problems(self, clock: Clock) -> Iterator[str]:
        yield from super().problems(clock)
        if clock.steps(self.warmup) < 2:
            yield (
                f'schedule.warmup = "{self.warmup}" is less than two steps, and OneCycle rises first; give it a part '
                'of the run, such as "30 %".'
            )
