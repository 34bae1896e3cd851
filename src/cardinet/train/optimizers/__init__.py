"""Optimizers; one file for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from cardinet.base.recipe_parts import RecipePart

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class BatchRule:
    """How the learning rate follows the size of the batch: it is multiplied by (batch / lr_for_batch) ** power."""

    power: float
    words: str
    """How it is scaled, in a sentence."""

    source: str


LINEAR = BatchRule(1.0, "linearly", "Goyal et al. 2017, arXiv 1706.02677")
"""For a sum of gradients: k batches at one rate move as far as one batch that is k times as large at k times it."""

SQUARE_ROOT = BatchRule(
    0.5, "by the square root of the ratio", "You et al. 2019, arXiv 1904.00962; Malladi et al. 2022, arXiv 2205.10287"
)
"""For steps that are divided by the root of the squared gradients, whose noise falls by the root of the batch."""


class Optimizer(RecipePart):
    """An optimizer with its settings: a torch optimizer (`make`), or an update rule for one parameter (`move`).

    Its state for a parameter must be tensors: a checkpoint saves each by name, in its own shape.
    """

    STATES: ClassVar[int] = 1
    """The most tensors of a parameter's shape in its state. The memory of a step counts them."""

    BATCH_RULE: ClassVar[BatchRule] = LINEAR
    """How the learning rate is scaled to another batch than `lr_for_batch`."""

    lr: Positive = 0.1
    """The highest learning rate, which the schedule moves."""

    lr_for_batch: Annotated[int, Field(ge=1)] | None = None
    """The batch size for which lr is meant: another one scales lr by its ratio to this one, by the root of it for
    AdamW, LAMB and RMSProp. None: lr is used as it is.
    """

    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The factor of the learning rate from each layer to the one below it; the head has the full rate. 1: all layers
    have it.
    """

    weight_decay: Decay = 1e-4
    """The strength of the decay that pulls weights to zero."""

    decay_norms_and_biases: bool = True
    """Whether norms and biases (every parameter of one dimension) decay too."""

    def rate(self, batch_size: int) -> float:
        """The highest learning rate for a batch: lr, scaled by `BATCH_RULE` from the batch for which it is meant."""
        if self.lr_for_batch is None:
            return self.lr
        power = self.BATCH_RULE.power
        return float(self.lr * batch_size**power / self.lr_for_batch**power)

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimizer of groups of parameters, each with its own "weight_decay" and perhaps more."""
        from cardinet.train.rule_optimizer import RuleOptimizer

        return RuleOptimizer(groups, {"lr": self.lr, **self.defaults()}, self.move)

    def defaults(self) -> dict[str, Any]:
        """What a group has by default beside "lr" and "weight_decay": "momentum", or "betas", whose first is likewise
        the share of the past in the direction of a step. A schedule may move it; empty: there is nothing to move.
        """
        return {}

    def move(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        """Update one parameter in place.

        `state` belongs to it and starts empty; `group` has "lr", "weight_decay" and `defaults`.
        """
        raise NotImplementedError
