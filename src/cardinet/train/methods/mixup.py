"""Mixup: Zhang et al. 2018 (arXiv 1710.09412)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.train.mixing import Mixing, Pictures, blended
from cardinet.train.optimizers import Positive

if TYPE_CHECKING:
    import random


class Mixup(Mixing):
    """x <- lambda * x + (1 - lambda) * x before it in the batch, for pixels and labels, lambda from Beta(alpha, alpha).

    Smoothing of labels in the objective comes after it, which gives the same labels as before it.
    """

    alpha: Positive = 0.2
    """The number in Beta(alpha, alpha), from which lambda is drawn once for a batch; the smaller, the less is mixed."""

    def mixed(self, own: Pictures, before: Pictures, share: float, draw: random.Random) -> Pictures:
        return Pictures(*(blended(values, others, share) for values, others in zip(own, before, strict=True)))
