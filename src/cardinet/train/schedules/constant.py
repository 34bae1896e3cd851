"""The same learning rate at every step."""

from __future__ import annotations

from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule


class Constant(Schedule):
    """The optimizer's lr."""

    def after_warmup(self, step: int, warmup: int, clock: Clock) -> float:
        return 1.0
