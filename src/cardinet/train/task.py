"""What a run trains on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.rewrite.registry import Step
from cardinet.train.recipe import Recipe
from cardinet.train.schedule import Clock


@dataclass(frozen=True)
class Task:
    """What is trained on what: all that stays the same during a run.

    `rewrites` are applied to the network of `spec` before it trains.
    """

    recipe: Recipe
    clock: Clock
    spec: Any
    source: Source
    preprocessing: Preprocessing
    device: str
    precision: str
    rewrites: tuple[Step, ...] = ()

    @property
    def in_use(self) -> Recipe:
        """The recipe as it is used: where there are fewer pictures than a batch was asked to have, a batch has these,
        and passes in no more parts. A run stores what was asked for.
        """
        batch = self.clock.batch_size
        parts = min(self.recipe.optimizer.accumulate, batch)
        return self.recipe.but("training", batch_size=batch).but("optimizer", accumulate=parts)

    @property
    def judge(self) -> str | None:
        """The split that is evaluated during training: validation, or test where there is no other."""
        return next((name for name in ("validation", "test") if name in self.source.splits), None)

    @property
    def selects(self) -> bool:
        """Whether the best weights are kept and not the last: on validation data, and not of a network in pruning,
        which is what was asked for only in the end.
        """
        return self.judge == "validation" and self.recipe.pruning.keep_macs is None
