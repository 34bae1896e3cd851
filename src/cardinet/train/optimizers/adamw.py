"""Adam with decoupled weight decay: Loshchilov and Hutter 2017, Algorithm 2 (arXiv 1711.05101)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cardinet.train.optimizers import SQUARE_ROOT, BatchRule, Decay, Optimizer, Positive, Share

if TYPE_CHECKING:
    import torch


class AdamW(Optimizer):
    """m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2; w = w - lr * (m' / (sqrt(v') + eps) + weight_decay * w).

    m' and v' are m and v without the bias of their start at zero.
    """

    STATES: ClassVar[int] = 2
    BATCH_RULE: ClassVar[BatchRule] = SQUARE_ROOT
    lr: Positive = 1e-3
    weight_decay: Decay = 0.05
    decay_norms_and_biases: bool = False
    betas: tuple[Share, Share] = (0.9, 0.999)
    """The decays b1 and b2 of the two averages: of the gradients and of their squares."""

    eps: Positive = 1e-8
    """The number that is added to the root in the denominator, so that it is never zero."""

    def defaults(self) -> dict[str, Any]:
        return {"betas": self.betas}

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(groups, lr=self.lr, **self.defaults(), eps=self.eps, fused=True)
