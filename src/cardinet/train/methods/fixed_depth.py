"""Training of a fixed number of units in each mini-batch: Veit, Wilber and Belongie 2016, Section 5 (arXiv 1605.06431).

They train ResNet-110 from scratch with 23 of its 54 units, drawn for each mini-batch, and so only its effective paths.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.train.methods import Conditions, Hooks, Method

if TYPE_CHECKING:
    import torch

    from cardinet.blocks.classifier import Classifier
    from cardinet.blocks.merge import StochasticDepth
    from cardinet.data.batches import Batch


class FixedDepth(Method):
    """Every mini-batch opens exactly `units` of the units that stochastic depth may close; the others are shortcuts.

    The network needs merge = StochasticDepth(per="batch"). Its survival still weighs the branches in tests: with
    rule="uniform" and last = units / all units it is the share of the steps in which a unit is open.
    """

    units: Annotated[int, Field(ge=1)]
    """The number of units that are open in each mini-batch."""

    def check(self, network: Classifier, conditions: Conditions) -> None:
        found = drawing_units(network)
        if not found:
            raise RequestError(
                'methods.FixedDepth: the network has no unit that a mini-batch can close; add --set "merge='
                'StochasticDepth(rule="uniform")".'
            )
        if self.units > len(found):
            raise RequestError(
                f"methods.FixedDepth.units = {self.units}: the network has {len(found)} such units; give at most that."
            )

    def notes(self, conditions: Conditions) -> Sequence[str]:
        return (f"Each mini-batch trains exactly {self.units} units, drawn anew (FixedDepth).",)

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Opening(self.units, drawing_units(network), conditions.seed)


def drawing_units(network: Classifier) -> list[StochasticDepth]:
    """The merges that may close a unit for a whole mini-batch, in the order of the network."""
    from cardinet.blocks.merge import StochasticDepth

    return [module for module in network.modules() if isinstance(module, StochasticDepth) and module.per == "batch"]


class Opening(Hooks):
    """Opens the units of a step. The draw is a function of seed and step, so there is no state."""

    def __init__(self, units: int, merges: Sequence[StochasticDepth], seed: int) -> None:
        self.units, self.merges, self.seed = units, merges, seed

    def see(self, batch: Batch, step: int) -> Batch:
        """Open the units that this step trains, and close the others."""
        drawn = random.Random(f"{self.seed}, {step}").sample(range(len(self.merges)), self.units)
        for i, merge in enumerate(self.merges):
            merge.open = i in drawn
        return batch
