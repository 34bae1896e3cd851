"""The optimizer of a recipe, and what a batch does to it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.blocks.compactor import Compactor
from cardinet.train.recipe import OptimizerSettings


def make_optimizer(
    network: nn.Module, settings: OptimizerSettings, compactor_momentum: float = 0.99
) -> torch.optim.SGD:
    """SGD with momentum; norms and biases (every parameter of one dimension) decay or not, as the settings say.

    Compactors do not decay, and have a momentum of their own, without Nesterov's look ahead (ResRep, Section 4.1).
    """
    compactors = [m.weight for m in network.modules() if isinstance(m, Compactor)]
    apart = {id(p) for p in compactors}
    others = [p for p in network.parameters() if id(p) not in apart]
    decayed = [p for p in others if p.ndim > 1 or settings.decay_norms_and_biases]
    free = [p for p in others if not (p.ndim > 1 or settings.decay_norms_and_biases)]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
        {"params": compactors, "weight_decay": 0.0, "momentum": compactor_momentum, "nesterov": False},
    ]
    return torch.optim.SGD(
        [g for g in groups if g["params"]],
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov and settings.momentum > 0,
        fused=True,
    )


class NonFinite(Exception):
    """The loss or the gradient is infinite or no number; raised before the parameters change."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def forward_backward(
    network: nn.Module, pixels: Tensor, labels: Tensor, settings: OptimizerSettings, autocast: bool
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the mean loss over a batch to the parameters; return (mean loss, wrong predictions).

    With `accumulate` = k the batch passes in k parts whose gradients add up to the whole batch's (up to what
    BN sees). On the CPU a non-finite loss raises NonFinite before its backward pass.
    """
    total = pixels.new_zeros(())
    wrong = torch.zeros((), dtype=torch.int64, device=pixels.device)
    parts = min(settings.accumulate, len(labels))
    for x, y in zip(pixels.tensor_split(parts), labels.tensor_split(parts), strict=True):
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=autocast):
            logits = network(x)
        loss = F.cross_entropy(logits.to(pixels.dtype), y, label_smoothing=settings.label_smoothing)
        if pixels.device.type == "cpu" and not loss.isfinite():
            raise NonFinite(f"the loss is {loss.item()}")
        share = loss * (len(y) / len(labels))
        share.backward()  # type: ignore[no-untyped-call]
        total += share.detach()
        wrong += (logits.detach().argmax(1) != y).sum()
    return total, wrong


def update(network: nn.Module, optimizer: torch.optim.Optimizer, lr: float, clip: float | None) -> None:
    """One step of the optimizer at a learning rate, with the gradient's norm bounded by `clip`.

    A trained parameter that no gradient reached (of a unit that stochastic depth closed) has a gradient of zero: it
    still decays, and its momentum goes on, as in the authors' code (torch alone would pass it over).
    """
    if clip is not None:
        norm = nn.utils.clip_grad_norm_(network.parameters(), clip)
        if not norm.isfinite():
            raise NonFinite(f"the norm of the gradient is {norm.item()}")
    for group in optimizer.param_groups:
        group["lr"] = lr
        for parameter in group["params"]:
            if parameter.grad is None and parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
