"""Cross entropy, with label smoothing: Szegedy et al. 2015, Section 7 (arXiv 1512.00567)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cardinet.train.class_weights import ClassWeighted

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(ClassWeighted):
    """- sum over classes of w * q * log softmax(logits), q = (1 - label_smoothing) * label + label_smoothing / classes.

    w are the class weights.
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of each label that is spread evenly over all classes."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn import functional as F

        if (weights := self.weights(logits)) is None:
            return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        each = F.cross_entropy(logits, labels, weights, reduction="none", label_smoothing=self.label_smoothing)
        return each.mean()
