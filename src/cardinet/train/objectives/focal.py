"""The focal loss of Lin et al. 2017 (arXiv 1708.02002) for several classes: with softmax in place of the sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cardinet.data.labelling import Labelling
from cardinet.train.class_weights import ClassWeighted
from cardinet.train.objectives import probabilities

if TYPE_CHECKING:
    from torch import Tensor


class Focal(ClassWeighted):
    """- sum over classes of w * label * (1 - p)^gamma * log p, p = softmax(logits): sure answers count for less.

    w are the class weights (the paper's alpha). With two classes it is the paper's loss of the difference of the
    logits; with gamma = 0 it is the cross-entropy.
    """

    gamma: Annotated[float, Field(ge=0)] = 2.0
    """The power of 1 - p; 0: all answers count the same."""

    def notes(self, labelling: Labelling) -> Sequence[str]:
        return (
            *super().notes(labelling),
            f"The training loss is focal (gamma = {self.gamma:g}); the loss of an evaluation is the cross-entropy.",
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        import torch

        logs = logits.log_softmax(1)
        rest = (-logs.expm1()).clamp(min=torch.finfo(logs.dtype).tiny)  # 0 has no gradient for gamma below 1
        each = probabilities(labels, logits) * rest**self.gamma * logs
        if (weights := self.weights(logits)) is not None:
            each = each * weights
        return -each.sum(1).mean()
