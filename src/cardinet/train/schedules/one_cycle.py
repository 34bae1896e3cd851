"""One rise and one fall of the learning rate: Smith and Topin 2017 (arXiv 1708.07120)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.train.clock import Clock
from cardinet.train.optimizers import Share
from cardinet.train.schedules import Schedule


class OneCycle(Schedule):
    """From `warmup_from` times lr to lr, which the last step of the warm-up has, then to `final` times lr.

    The defaults are those of torch.optim.lr_scheduler.OneCycleLR, which gives the same rates. It also moves the
    momentum, from 0.95 to 0.85 and back, which here `momenta` asks for.
    """

    warmup: Duration = Duration("30 %")
    """The time in which the learning rate rises to its full value."""

    warmup_from: Annotated[float, Field(ge=0, le=1)] = 1 / 25
    """The share of the learning rate that the first step has."""

    final: Annotated[float, Field(ge=0, lt=1)] = 1 / 25 / 1e4
    """The share of the learning rate that the last step has."""

    shape: Literal["cosine", "linear"] = "cosine"
    """The shape of both sides: half a period of the cosine, or a line as in the paper."""

    momenta: tuple[Share, Share] | None = None
    """The momentum (of AdamW and LAMB the first of the betas) at the highest rate and at both ends, between which it
    falls while the rate rises and rises while it falls, as 0.85,0.95 in torch and fastai; none: that of the optimizer
    stays.
    """

    def share(self, step: int, clock: Clock) -> float:
        return self._moved(step, clock, self.warmup_from, 1.0, self.final)

    def momentum(self, step: int, clock: Clock) -> float | None:
        if self.momenta is None:
            return None
        least, most = self.momenta
        return self._moved(step, clock, most, least, most)

    def _moved(self, step: int, clock: Clock, first: float, middle: float, last: float) -> float:
        """What is `first` at the first step, `middle` at the last of the warm-up, and `last` at the end."""
        peak, end = clock.steps(self.warmup) - 1, clock.length - 1
        if step < peak:
            return self._between(first, middle, step / peak)
        return self._between(middle, last, (step - peak) / max(1, end - peak))

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
        if self.momenta is not None and self.momenta[0] >= self.momenta[1]:
            yield (
                f"schedule.momenta = {self.momenta[0]:g},{self.momenta[1]:g}: the first is that of the highest rate, "
                "which is the lower one; give them in rising order."
            )
