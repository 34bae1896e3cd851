"""Weights of classes in a loss, for training pictures that are not equally many in each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.data.labelling import Labelling
from cardinet.train.objectives import Objective

if TYPE_CHECKING:
    from torch import Tensor

Weight = Annotated[float, Field(ge=0)]


class ClassWeighted(Objective):
    """An objective whose loss is a sum over classes, each with a weight.

    The mean is over the pictures of a batch, not over their weights, so that the parts of a batch add up to it. (torch
    divides by the weights for labels that are classes, and by the pictures for probabilities.)
    """

    class_weights: Literal["balanced"] | Annotated[tuple[Weight, ...], Field(min_length=1)] | None = None
    """The weight of each class, in the order of the classes; balanced: all training pictures / (classes * those of the
    class); none: 1 for all.
    """

    def fitted(self, classes: Sequence[str], counts: Sequence[int], total: int) -> Self:
        given = self.class_weights
        if given is None:
            return self
        if given == "balanced":
            return self.model_copy(update={"class_weights": balanced(classes, counts)})
        if len(given) != len(classes):
            raise RequestError(
                f"class_weights has {len(given)} weights, and the pictures have {len(classes)} classes; give one for "
                "each, or balanced."
            )
        if not any(given):
            raise RequestError("class_weights: all weights are 0, so that nothing would be learned; give one above 0.")
        return self

    def notes(self, labelling: Labelling) -> Sequence[str]:
        if not isinstance(self.class_weights, tuple):
            return ()
        least, most = min(self.class_weights), max(self.class_weights)
        return (
            f"The training loss weighs the classes by {least:.3g} to {most:.3g} (class_weights); evaluations count "
            "every picture the same.",
        )

    def weights(self, logits: Tensor) -> Tensor | None:
        """The weights as a tensor (classes,) beside the logits; None if all are 1."""
        return None if self.class_weights is None else logits.new_tensor(self.class_weights)


def balanced(classes: Sequence[str], counts: Sequence[int]) -> tuple[float, ...]:
    """Weights with which every class has the same part in the loss; their mean over all pictures is 1.

    Raises RequestError if a class has no pictures.
    """
    if absent := [name for name, count in zip(classes, counts, strict=True) if not count]:
        some = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
        raise RequestError(
            f"class_weights = balanced: there are no training pictures of {some}; give the weights as a list."
        )
    return tuple(sum(counts) / (len(counts) * count) for count in counts)
