"""Optimizers; one file for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from cardinet.base.recipe_parts import RecipePart

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0)]


class Optimizer(RecipePart):
    """An optimizer with its settings: a torch optimizer (`make`), or an update rule for one parameter (`move`).

    Its state for a parameter must be tensors: a checkpoint saves each by name, in its own shape.
    """

    STATES: ClassVar[int] = 1
    """The most tensors of a parameter's shape in its state. The memory of a step counts them."""

    lr: Positive = 0.1
    """The highest learning rate, which the schedule moves."""

    lr_for_batch: Annotated[int, Field(ge=1)] | None = None
    """The batch size for which lr is meant: another one multiplies lr by its ratio to this one. None: lr is used as it
    is.
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
        """The highest learning rate for a batch: lr, scaled linearly from the batch for which it is meant.

        This is the rule of Goyal et al. 2017, Section 2.1 (arXiv 1706.02677).
        """
        return self.lr if self.lr_for_batch is None else self.lr * batch_size / self.lr_for_batch

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimizer of groups of parameters, each with its own "weight_decay" and perhaps more."""
        from cardinet.train.rule_optimizer import RuleOptimizer

        return RuleOptimizer(groups, self.lr, self.move)

    def move(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        """Update one parameter in place.

        `state` belongs to it and starts empty; `group` has "lr" and "weight_decay".
        """
        raise NotImplementedError
