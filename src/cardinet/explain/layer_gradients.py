"""The gradient of the loss by the weights of each layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from cardinet.base.errors import WorkError


@dataclass(frozen=True)
class LayerGradient:
    """A layer, the norm of the gradient of the mean loss by its weights, and the norm of these weights."""

    name: str
    gradient: float
    weight: float

    @property
    def relative(self) -> float:
        """The norm of the gradient, divided by the norm of the weights."""
        return self.gradient / self.weight if self.weight else 0.0


def gradient_by_layer(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> list[LayerGradient]:
    """The layers with weights of two or more dimensions (convolutions, linear layers), in the order of the network.

    The loss is the mean cross-entropy over all batches of normalised pictures (B, C, H, W) and their classes (B,). The
    network keeps its mode, its gradients and its flags; frozen weights have their gradient too. Raises WorkError if a
    gradient is not a finite number.
    """
    tensors = {name: tensor.detach() for name, tensor in network.named_parameters()}
    weights = {name: tensor.requires_grad_() for name, tensor in tensors.items() if tensor.dim() > 1}
    totals = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    count = 0
    for pixels, labels in batches:
        with torch.enable_grad():
            loss = F.cross_entropy(functional_call(network, tensors, (pixels,)), labels, reduction="sum")
            found = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
        for total, gradient in zip(totals.values(), found, strict=True):
            total += gradient
        count += len(labels)
    if not all(bool(total.isfinite().all()) for total in totals.values()):
        raise WorkError("A gradient of the network is not a finite number: its values are too large.")
    return [
        LayerGradient(name.removesuffix(".weight"), _norm(totals[name]) / count, _norm(weights[name]))
        for name in weights
    ]


def _norm(tensor: Tensor) -> float:
    return float(tensor.detach().double().norm())
