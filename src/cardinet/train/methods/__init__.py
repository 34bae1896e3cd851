"""What happens around the steps of a run beside the plain step; one file for each method.

A method is a part of the recipe (`Method`), and what it does in one run is an object of its own (`Hooks`). The loop
knows these two and no method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from cardinet.base.parts import Part
from cardinet.train.clock import Clock
from cardinet.train.optimizers import Optimizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cardinet.blocks.classifier import Classifier
    from cardinet.data.batches import Batch
    from cardinet.rewrite.registry import Step


@dataclass(frozen=True)
class Conditions:
    """What of a run a method may need to know, and what stays the same to its end.

    `side` is the input's, in pixels; `methods` are all that the run has.
    """

    clock: Clock
    side: int
    optimizer: Optimizer
    seed: int
    methods: tuple[Method, ...] = ()


@dataclass(frozen=True)
class Finished:
    """What a method makes of the trained network: the network, the rewrites that give its structure, and figures."""

    network: Classifier
    rewrites: tuple[Step, ...]
    figures: Mapping[str, float] = field(default_factory=dict)


class Hooks:
    """What a method does in one run. Every hook does nothing; a subclass has those that it needs.

    What it keeps from step to step is either in buffers of the network, which a checkpoint has anyway, or in `state`: a
    resumed run has to give the same bits (a test kills every method at a step and looks).
    """

    def see(self, batch: Batch, step: int) -> Batch:
        """The batch of the step after `step` done ones, before it passes; perhaps another one. Its labels may become
        probabilities (B, classes).
        """
        return batch

    def before_update(self, step: int) -> None:
        """After the backward pass of that step: gradients may be changed."""

    def after_update(self, step: int) -> None:
        """After the optimizer has moved the parameters in that step."""

    def judged(self, network: Classifier) -> Classifier:
        """The network that evaluations see and model files hold."""
        return network

    def figures(self) -> Mapping[str, float]:
        """What a training line of metrics.jsonl says beside the loss."""
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """What a checkpoint needs to know."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave. Raises WorkError where it is not that of this run."""


class Method(Part):
    """A method as a recipe names it, with its settings.

    `SELECTS` says whether the best weights of the run may be kept; else it is the last ones. `REPLACES` says whether
    evaluations and model files have another network than the one that trains, which then takes memory too.
    """

    SELECTS: ClassVar[bool] = True
    REPLACES: ClassVar[bool] = False

    def check(self, network: Classifier, conditions: Conditions) -> None:
        """Raise RequestError where the method cannot work on a network, which is on the meta device."""

    def rewrites(self) -> tuple[Step, ...]:
        """What is done to the network before it trains."""
        return ()

    def groups(self, network: Classifier) -> Sequence[dict[str, Any]]:
        """Parameters that the optimizer treats otherwise: groups as torch takes them, each with its "weight_decay"."""
        return ()

    def notes(self) -> Sequence[str]:
        """What the user and the report are told of it, in sentences."""
        return ()

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        """What the method does in a run that trains this network by this optimizer."""
        return Hooks()

    def finish(self, network: Classifier, before: tuple[Step, ...], conditions: Conditions) -> Finished | None:
        """What becomes of the trained network, whose description had the rewrites `before`; None: it stays.

        Raises WorkError where what was asked for is not reached.
        """
        return None
