"""Binary cross-entropy of each class, as in "ResNet strikes back": Wightman et al. 2021 (arXiv 2110.00476).

Each class is a question of its own: is it in the picture? So a mixed picture may show two classes, each in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cardinet.train.objectives import Objective, probabilities, smoothed

if TYPE_CHECKING:
    from torch import Tensor


class BinaryCrossEntropy(Objective):
    """- q * log s - (1 - q) * log(1 - s), s = sigmoid(logits), q = (1 - label_smoothing) * label + label_smoothing /
    classes; its mean or sum over classes.

    With `target_threshold` q becomes 1 above it and 0 elsewhere. It is the loss of timm, whose recipes smooth labels
    before they mix pictures; that gives the same q.
    """

    over_classes: Literal["mean", "sum"] = "mean"
    """Whether the loss of a picture is the mean or the sum over all classes; a sum is as many times larger as there are
    classes.
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of each label that is spread evenly over all classes."""

    target_threshold: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The share of a class in a picture above which it counts as there; none: the share itself is the target."""

    def notes(self) -> Sequence[str]:
        return (
            "The training loss is the binary cross-entropy of each class; evaluations and predictions use the softmax "
            "of the logits, whose probabilities this loss does not train.",
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn import functional as F

        targets = smoothed(probabilities(labels, logits), self.label_smoothing)
        if self.target_threshold is not None:
            targets = targets.gt(self.target_threshold).to(logits.dtype)
        each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return (each.sum(1) if self.over_classes == "sum" else each.mean(1)).mean()
