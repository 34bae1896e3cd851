"""One step of training: the gradient of a batch, and the update of the parameters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.train.methods import Hooks
from cardinet.train.objectives import Objective
from cardinet.train.optimizers import Optimizer


def make_optimizer(
    network: nn.Module, settings: Optimizer, apart: Sequence[dict[str, Any]] = ()
) -> torch.optim.Optimizer:
    """The optimizer of a network's parameters; groups of methods stand `apart`.

    The settings decide whether norms and biases (every parameter of one dimension) decay.
    """
    taken = {id(p) for group in apart for p in group["params"]}
    others = [p for p in network.parameters() if id(p) not in taken]
    decayed = [p for p in others if p.ndim > 1 or settings.decay_norms_and_biases]
    free = [p for p in others if not (p.ndim > 1 or settings.decay_norms_and_biases)]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
        *apart,
    ]
    return settings.make([group for group in groups if group["params"]])


class NonFinite(Exception):
    """The loss or the gradient is NaN or infinite. It is raised before the parameters change."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def forward_backward(
    network: nn.Module,
    pixels: Tensor,
    labels: Tensor,
    objective: Objective,
    *,
    hooks: Collection[Hooks] = (),
    parts: int = 1,
    autocast: bool = False,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the mean loss over a batch to the parameters; return (mean loss, wrong predictions).

    Labels are classes (B,) or probabilities (B, classes); the class is the most probable one. The `hooks` of methods
    may change the loss. The batch passes in `parts` whose gradients add up to the whole batch's (up to what BN sees).
    On the CPU a non-finite loss raises NonFinite before its backward pass.
    """
    total = pixels.new_zeros(())
    wrong = torch.zeros((), dtype=torch.int64, device=pixels.device)
    parts = min(parts, len(labels))
    for x, y in zip(pixels.tensor_split(parts), labels.tensor_split(parts), strict=True):
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=autocast):
            logits = network(x)
        logits = logits.to(pixels.dtype)
        loss = objective.loss(logits, y)
        for method in hooks:
            loss = method.loss(loss, logits, x)
        if pixels.device.type == "cpu" and not loss.isfinite():
            raise NonFinite(f"the loss is {loss.item()}")
        share = loss * (len(y) / len(labels))
        share.backward()
        total += share.detach()
        wrong += (logits.detach().argmax(1) != (y if y.ndim == 1 else y.argmax(1))).sum()
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
