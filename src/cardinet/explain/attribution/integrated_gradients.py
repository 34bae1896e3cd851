"""Integrated gradients: Sundararajan, Taly and Yan 2017, Equation 1 (arXiv 1703.01365)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cardinet.blocks.classifier import Classifier
from cardinet.explain.attribution.method import Method, gradient

STEPS = 50
"""The points on the line from the baseline to the picture, by Gauss and Legendre's rule."""


class IntegratedGradients(Method):
    """The gradient, averaged along the line from the mean colour to the picture, times their difference.

    The baseline is 0 in normalised pixels. The points are computed one after another, so the memory is that of one
    batch.
    """

    def maps(self, network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> Tensor:
        return integrated(network, pixels, classes).sum(1)


def integrated(network: Classifier, pixels: Tensor, classes: Tensor, steps: int = STEPS) -> Tensor:
    """The contribution of every value of the pictures, (B, C, H, W)."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(pixels)
    for place, weight in zip((1 + places) / 2, weights / 2, strict=True):
        total += float(weight) * gradient(network, float(place) * pixels, classes)
    return pixels * total


def completeness_gap(network: Classifier, pixels: Tensor, classes: Tensor, found: Tensor) -> Tensor:
    """The sum of the contributions less the change of the logit from the baseline to the picture, (B,)."""
    with torch.no_grad():
        change: Tensor = network(pixels) - network(torch.zeros_like(pixels))
    return found.flatten(1).sum(1) - change.gather(1, classes[:, None])[:, 0]
