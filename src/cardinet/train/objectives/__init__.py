"""Objectives: losses that training minimises; one file for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from cardinet.base.recipe_parts import RecipePart
from cardinet.data.labelling import Labelling, Name

if TYPE_CHECKING:
    from torch import Tensor


class Objective(RecipePart):
    """A loss of logits and labels.

    An objective whose loss needs one class for each picture sets `PROBABILITIES` to False. Methods that mix pictures
    are then refused.
    """

    PROBABILITIES: ClassVar[bool] = True
    LABELLINGS: ClassVar[tuple[Name, ...]] = ("one",)
    """Whether it learns one label for each picture, several, or both (`data.labelling`)."""

    def fitted(self, classes: Sequence[str], counts: Sequence[int], total: int) -> Self:
        """The objective with its open settings chosen for these classes, their numbers of training pictures, and the
        number of all training pictures.

        A run records the result. Raises RequestError if the settings do not fit.
        """
        return self

    def notes(self, labelling: Labelling) -> Sequence[str]:
        """Sentences on the fitted objective for the user and the report."""
        return ()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over a batch, a scalar. `logits` (B, classes) in float32; `labels` int64 (B,), or (B, classes) in
        float32: the probability of each class.
        """
        raise NotImplementedError


def probabilities(labels: Tensor, logits: Tensor) -> Tensor:
    """Labels as the probability of each class, (B, classes), in the precision of the logits."""
    from torch.nn import functional as F

    return (F.one_hot(labels, logits.shape[1]) if labels.ndim == 1 else labels).to(logits.dtype)


def smoothed(labels: Tensor, share: float) -> Tensor:
    """Probabilities (B, classes) with a share of each label spread evenly over all classes.

    It is linear: pictures may be mixed before or after it, with the same result.
    """
    return (1 - share) * labels + share / labels.shape[1]
