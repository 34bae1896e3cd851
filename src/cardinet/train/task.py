"""What a run trains on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.rewrite.registry import Step
from cardinet.train.clock import Clock
from cardinet.train.methods import Conditions
from cardinet.train.recipe import Recipe


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
        return self.recipe.but("training", batch_size=batch, accumulate=min(self.recipe.training.accumulate, batch))

    @property
    def conditions(self) -> Conditions:
        """What of the run its methods may know."""
        return conditions_of(self.recipe, self.clock, self.preprocessing.crop)

    def learning_rate(self, step: int) -> float:
        """The rate of the step after `step` done ones."""
        return self.recipe.optimizer.lr * self.recipe.schedule.share(step, self.clock)

    @property
    def judge(self) -> str | None:
        """The split that is evaluated during training: validation, or test where there is no other."""
        return next((name for name in ("validation", "test") if name in self.source.splits), None)

    @property
    def selects(self) -> bool:
        """Whether the best weights are kept and not the last: on validation data, and where all methods allow it."""
        return self.judge == "validation" and all(method.SELECTS for method in self.recipe.methods.values())


def conditions_of(recipe: Recipe, clock: Clock, side: int) -> Conditions:
    """What the methods of a recipe may know of a run whose input has `side` pixels a side."""
    return Conditions(clock, side, recipe.optimizer, recipe.machine.seed, tuple(recipe.methods.values()))
