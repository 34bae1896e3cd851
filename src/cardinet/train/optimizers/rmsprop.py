"""RMSProp: Tieleman and Hinton 2012, Lecture 6.5; with momentum, as the Inception networks are trained (Szegedy et al.
2015, Section 8, arXiv 1512.00567).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cardinet.train.optimizers import SQUARE_ROOT, BatchRule, Decay, Optimizer, Positive, Share

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class RMSProp(Optimizer):
    """v = rho * v + (1 - rho) * g^2, from v = 1; m = momentum * m + lr * g / sqrt(v + eps); w = w - m.

    Here g is gradient + weight_decay * w. In the variant torch v starts at 0, m = momentum * m + g / (sqrt(v) + eps)
    and w = w - lr * m. The default rho, eps and lr are the paper's, the others those of its code in TensorFlow.
    """

    STATES: ClassVar[int] = 2
    BATCH_RULE: ClassVar[BatchRule] = SQUARE_ROOT
    lr: Positive = 0.045
    weight_decay: Decay = 4e-5
    decay_norms_and_biases: bool = False
    momentum: Share = 0.9
    """The share of the last step's movement that the next step keeps."""

    rho: Share = 0.9
    """The decay of the average of the squared gradients."""

    eps: Positive = 1.0
    """The number that keeps the denominator from zero: under the root in the variant tensorflow, beside it in torch."""

    variant: Literal["tensorflow", "torch"] = "tensorflow"
    """The program that is followed: eps under the root, as the Inception papers train, or as torch has it."""

    def defaults(self) -> dict[str, Any]:
        return {"momentum": self.momentum}

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        if self.variant == "tensorflow":
            return super().make(groups)
        return torch.optim.RMSprop(groups, lr=self.lr, alpha=self.rho, eps=self.eps, **self.defaults())

    def move(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        """The variant tensorflow."""
        import torch

        if not state:
            state["square_avg"] = torch.ones_like(parameter)
            if self.momentum:
                state["momentum_buffer"] = torch.zeros_like(parameter)
        if decay := group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=decay)
        square = state["square_avg"].lerp_(gradient.square(), 1 - self.rho)
        way = gradient.div(square.add(self.eps).sqrt_()).mul_(group["lr"])
        if self.momentum:
            way = state["momentum_buffer"].mul_(group["momentum"]).add_(way)
        parameter.sub_(way)
