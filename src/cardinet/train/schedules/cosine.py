"""Half a period of the cosine: Loshchilov and Hutter 2016, Section 3 (arXiv 1608.03983), without restarts."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from cardinet.train.clock import Clock
from cardinet.train.schedules import Schedule


class Cosine(Schedule):
    """From lr at the end of the warm-up to `final` times lr after the last step."""

    final: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the learning rate that is left after the last step."""

    def after_warmup(self, step: int, warmup: int, clock: Clock) -> float:
        share = (step - warmup) / max(1, clock.length - warmup)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share))
