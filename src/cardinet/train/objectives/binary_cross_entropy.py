"""Binary cross-entropy of each class, as in "ResNet strikes back": Wightman et al. 2021 (arXiv 2110.00476).

Each class is a question of its own: is it in the picture? So a mixed picture may show two classes, each in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.data.labelling import ONE, Labelling
from cardinet.train.objectives import Objective, probabilities, smoothed
from cardinet.train.optimizers import Positive

if TYPE_CHECKING:
    from torch import Tensor


class BinaryCrossEntropy(Objective):
    """- w * q * log s - (1 - q) * log(1 - s), s = sigmoid(logits), q = (1 - label_smoothing) * label + label_smoothing
    / classes, w the positive weights; its mean or sum over classes.

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

    positive_weights: Literal["balanced"] | Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None
    """How much a class that is in a picture counts against one that is not, in the order of the classes; balanced:
    training pictures without the class / those with it; none: 1 for all.
    """

    LABELLINGS = ("one", "several")

    def fitted(self, classes: Sequence[str], counts: Sequence[int], total: int) -> Self:
        given = self.positive_weights
        if given is None:
            return self
        if given == "balanced":
            if odd := [name for name, count in zip(classes, counts, strict=True) if not 0 < count < total]:
                raise RequestError(
                    f"positive_weights = balanced: no training picture, or every one, has {odd[0]} ({len(odd):,} such "
                    "classes); give the weights as a list."
                )
            return self.model_copy(update={"positive_weights": tuple((total - count) / count for count in counts)})
        if len(given) != len(classes):
            raise RequestError(
                f"positive_weights has {len(given)} weights, and the pictures have {len(classes)} classes; give one "
                "for each, or balanced."
            )
        return self

    def notes(self, labelling: Labelling) -> Sequence[str]:
        if labelling is not ONE:
            return (
                "The training loss is the binary cross-entropy of each class, as a picture may have several labels.",
            )
        return (
            "The training loss is the binary cross-entropy of each class; evaluations and predictions use the softmax "
            "of the logits, whose probabilities this loss does not train.",
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn import functional as F

        targets = smoothed(probabilities(labels, logits), self.label_smoothing)
        if self.target_threshold is not None:
            targets = targets.gt(self.target_threshold).to(logits.dtype)
        given = self.positive_weights
        weights = logits.new_tensor(given) if isinstance(given, tuple) else None
        each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=weights)
        return (each.sum(1) if self.over_classes == "sum" else each.mean(1)).mean()
