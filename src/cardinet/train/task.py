"""The task of a run: a network, a source and a recipe, with everything resolved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import Source
from cardinet.rewrite.steps import Step
from cardinet.runs.ranks import ALONE, Ranks
from cardinet.train.clock import Clock
from cardinet.train.methods import Conditions
from cardinet.train.picture_sides import PictureSides
from cardinet.train.recipe import Recipe


@dataclass(frozen=True)
class Task:
    """Everything that stays the same during a run.

    `rewrites` are applied to the network of `spec` before training. `ranks` are the processes that train together.
    """

    recipe: Recipe
    clock: Clock
    spec: Any
    source: Source
    preprocessing: Preprocessing
    device: str
    precision: str
    rewrites: tuple[Step, ...] = ()
    ranks: Ranks = ALONE

    @property
    def in_use(self) -> Recipe:
        """The recipe in use: a batch, and the number of its parts, is never larger than the training split.

        A run stores the recipe as it was requested.
        """
        batch = self.clock.batch_size
        parts = self.recipe.training.parts(batch) if self.recipe.training.accumulate else 0
        return self.recipe.but("training", batch_size=batch, accumulate=parts)

    @property
    def conditions(self) -> Conditions:
        """The conditions of the run for its methods."""
        found = conditions_of(self.recipe, self.source, self.clock, self.preprocessing.crop, self.ranks)
        return replace(found, preprocessing=self.preprocessing)

    @property
    def sampling(self) -> Sampling:
        """The choice of the samples of each batch."""
        recipe, training = self.recipe, self.recipe.training
        size, window = self.clock.batch_size, recipe.data.shuffle_shards
        return Sampling(recipe.machine.seed, size, training.repeats, training.balanced, window)

    @property
    def sides(self) -> PictureSides:
        """The sides of the training pictures."""
        return self.conditions.sides

    def learning_rate(self, step: int) -> float:
        """The rate of the step after `step` done ones."""
        highest = self.recipe.optimizer.rate(self.clock.batch_size)
        return highest * self.recipe.schedule.share(step, self.clock)

    def momentum(self, step: int) -> float | None:
        """The momentum of the step after `step` done ones; None: that of the optimizer."""
        return self.recipe.schedule.momentum(step, self.clock)

    @property
    def judge(self) -> str | None:
        """The split that is evaluated during training: validation, or test if there is no validation split."""
        return next((name for name in ("validation", "test") if name in self.source.splits), None)

    @property
    def selects(self) -> bool:
        """Whether the best weights are kept instead of the last: with validation data, if all methods allow it."""
        return self.judge == "validation" and all(method.SELECTS for method in self.recipe.methods.values())


def conditions_of(recipe: Recipe, source: Source, clock: Clock, side: int, ranks: Ranks) -> Conditions:
    """The conditions for the methods of a recipe, in a run whose input has sides of `side` pixels."""
    return Conditions(
        clock=clock,
        side=side,
        source=source,
        optimizer=recipe.optimizer,
        objective=recipe.objective,
        schedule=recipe.schedule,
        seed=recipe.machine.seed,
        methods=tuple(recipe.methods.values()),
        init=recipe.network.init,
        ranks=ranks,
    )
