"""Objectives: losses that training minimises; one file for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.base.recipe_parts import RecipePart

if TYPE_CHECKING:
    from torch import Tensor


class Objective(RecipePart):
    """A loss of logits and labels."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over a batch, a scalar. `logits` (B, classes) in float32; `labels` int64 (B,), or (B, classes) in
        float32: the probability of each class.
        """
        raise NotImplementedError
