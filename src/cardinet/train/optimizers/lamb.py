"""Layer-wise adaptive moments for large batches: You et al. 2019, Algorithm 2 (arXiv 1904.00962)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cardinet.train.optimizers import SQUARE_ROOT, BatchRule, Decay, Optimizer, Positive, Share

if TYPE_CHECKING:
    from torch import Tensor


class LAMB(Optimizer):
    """m and v as in AdamW; r = m' / (sqrt(v') + eps) + weight_decay * w; w = w - lr * (|w| / |r|) * r.

    This is the variant of apex's FusedLAMB and of timm's Lamb with their default settings: m' and v' are free of the
    bias of their start at zero; the ratio |w| / |r| is 1 where one of the norms is zero, and for parameters without
    decay; it has no upper bound. Those two also bound the norm of the whole gradient by 1; here only `training.clip`
    does.

    The number of steps is counted for each parameter, so that one that is trained later starts without bias too.
    """

    STATES: ClassVar[int] = 2
    BATCH_RULE: ClassVar[BatchRule] = SQUARE_ROOT
    lr: Positive = 5e-3
    weight_decay: Decay = 0.02
    decay_norms_and_biases: bool = False
    betas: tuple[Share, Share] = (0.9, 0.999)
    """The decays b1 and b2 of the two averages: of the gradients and of their squares."""

    eps: Positive = 1e-6
    """The number that is added to the root in the denominator, so that it is never zero."""

    def defaults(self) -> dict[str, Any]:
        return {"betas": self.betas}

    def move(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        import torch

        if not state:
            state["step"] = torch.zeros((), dtype=torch.float64, device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        b1, b2 = group["betas"]
        step, mean, square = state["step"].add_(1), state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(gradient, 1 - b1)
        square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        root = square.sqrt().div_((1 - b2**step).sqrt()).add_(self.eps)
        way = mean.div(1 - b1**step).div_(root)
        if decay := group["weight_decay"]:
            way.add_(parameter, alpha=decay)
            ratio = torch.linalg.vector_norm(parameter) / torch.linalg.vector_norm(way)
            way.mul_(torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0))
        parameter.sub_(way, alpha=group["lr"])
