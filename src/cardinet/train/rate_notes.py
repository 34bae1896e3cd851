"""Sentences on the learning rates of a run, where they are not simply what the recipe says."""

from __future__ import annotations

from collections.abc import Iterator

from cardinet.blocks.classifier import Classifier
from cardinet.train.clock import Clock
from cardinet.train.recipe import Recipe
from cardinet.train.training_step import rates_of_layers


def rate_notes(recipe: Recipe, clock: Clock, network: Classifier) -> list[str]:
    """The scaling by the batch, the rates of the layers, and what the schedule has to say."""
    return [*_scaling(recipe, clock), *_layers(recipe, network), *recipe.schedule.notes(clock)]


def _scaling(recipe: Recipe, clock: Clock) -> Iterator[str]:
    optimizer, batch, rule = recipe.optimizer, clock.batch_size, recipe.optimizer.BATCH_RULE
    if optimizer.lr_for_batch is not None and optimizer.lr_for_batch != batch:
        yield (
            f"The learning rate is {optimizer.rate(batch):g}: {optimizer.lr:g} is meant for a batch of "
            f"{optimizer.lr_for_batch:,}, and it is scaled {rule.words} to the batch of {batch:,} ({rule.source})."
        )


def _layers(recipe: Recipe, network: Classifier) -> Iterator[str]:
    if (decay := recipe.optimizer.layer_decay) != 1:
        rates = ", ".join(f"{name} {rate:.3g}" for name, rate in rates_of_layers(network, decay).items())
        yield f"The layers have these shares of the learning rate: {rates} (layer_decay)."
