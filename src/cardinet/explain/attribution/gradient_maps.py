"""Grad-CAM (Selvaraju et al. 2016, arXiv 1610.02391) and Grad-CAM++ (Chattopadhyay et al. 2017, arXiv 1710.11063)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cardinet.blocks.classifier import Classifier
from cardinet.explain.attribution.method import Method, gradients, layers_of, score
from cardinet.explain.chain import State, chain_of


class GradCam(Method):
    """The maps of a layer, each weighted by the mean of its gradient, summed over the channels."""

    LAYERED = True

    def maps(self, network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> Tensor:
        found = [self.weighted(a, g) for a, g in activations(network, pixels, classes, layer)]
        return torch.stack(found).sum(0)

    def weighted(self, a: Tensor, g: Tensor) -> Tensor:
        """The sum of weights times maps (B, h, w), for maps and their gradients (B, C, h, w)."""
        return (g.mean((2, 3), keepdim=True) * a).sum(1)


class GradCamPlus(GradCam):
    """Weights that are means over the places of positive gradient, so that several objects of a class count alike.

    For the score exp(s) of the paper the places have alpha = g^2 / (2 g^2 + g^3 * sum of a). The factor exp(s) of the
    weights is left out: it is one number for each picture.
    """

    def weighted(self, a: Tensor, g: Tensor) -> Tensor:
        bottom = 2 * g.square() + g.pow(3) * a.sum((2, 3), keepdim=True)
        alpha = torch.where(bottom != 0, g.square() / torch.where(bottom != 0, bottom, 1.0), 0.0)
        return ((alpha * g.relu()).sum((2, 3), keepdim=True) * a).sum(1)


def activations(network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> list[tuple[Tensor, Tensor]]:
    """The output of a layer and its gradient, both (B, C, h, w); of two streams a pair each.

    The network is computed up to the layer without gradients, and from there on with them.
    """
    chain = chain_of(network)
    end = 1 + max(i for i, step in enumerate(chain.steps) if step.stage == layers_of(network)[layer])
    with gradients():
        with torch.no_grad():
            state = chain.run(State(pixels.clone()), 0, end)
        outputs = [one.detach().requires_grad_() for one in _tensors(state.x)]
        x: Any = outputs[0] if isinstance(state.x, Tensor) else tuple(outputs)
        logits = chain.logits(State(x, state.kept), end)
        found = torch.autograd.grad(score(logits, classes).sum(), outputs)
    return [(a.detach(), g) for a, g in zip(outputs, found, strict=True)]


def _tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)
