"""How the parameters follow their gradients; one file for each optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from cardinet.base.parts import Part

if TYPE_CHECKING:
    import torch

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0)]


class Optimizer(Part):
    """An optimizer of torch, or one of its shape, with its settings.

    `lr` is the highest learning rate; the schedule moves it. Norms and biases (every parameter of one dimension) decay
    or not, as `decay_norms_and_biases` says. What an optimizer keeps of a parameter (`state`) has to be tensors: a
    checkpoint saves each by its name, in its own shape.
    """

    lr: Positive = 0.1
    weight_decay: Decay = 1e-4
    decay_norms_and_biases: bool = True

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimizer of groups of parameters, each with its own "weight_decay" and perhaps more."""
        raise NotImplementedError
