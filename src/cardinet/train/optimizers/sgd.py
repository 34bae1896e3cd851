"""Stochastic gradient descent with momentum as torch has it (Sutskever et al. 2013, Section 2, up to v's scale)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cardinet.train.optimizers import Optimizer, Share

if TYPE_CHECKING:
    import torch


class SGD(Optimizer):
    """v = momentum * v + gradient + weight_decay * w; w = w - lr * v."""

    momentum: Share = 0.9
    """The share of the last step's movement that the next step keeps."""

    nesterov: bool = True
    """Whether the step looks ahead by Nesterov's rule, w = w - lr * (gradient + weight_decay * w + momentum * v);
    without momentum it has no effect.
    """

    def defaults(self) -> dict[str, Any]:
        return {"momentum": self.momentum}

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        nesterov = self.nesterov and self.momentum > 0
        return torch.optim.SGD(groups, lr=self.lr, **self.defaults(), nesterov=nesterov, fused=True)
