"""Integrated gradients: Sundararajan, Taly and Yan 2017, Equation 1 (arXiv 1703.01365)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cardinet.blocks.classifier import Classifier
from cardinet.explain.attribution.method import Method, copies_at_once, gradient, score

STEPS = 50
"""The points on the line from the baseline to the picture, by Gauss and Legendre's rule."""


class IntegratedGradients(Method):
    """The gradient, averaged along the line from the baseline to the picture, times their difference.

    The baseline is 0 in normalised pixels, which is the colour that the preprocessing subtracts. As many points of the
    line are computed at once as memory is given to (`copies_at_once`), so more points take more time and no more
    memory.
    """

    COMPLETE = True
    SIGNED = True

    def __init__(self, points: int = STEPS) -> None:
        self.points = points

    def with_points(self, points: int) -> IntegratedGradients:
        return IntegratedGradients(points)

    def maps(self, network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> Tensor:
        return integrated(network, pixels, classes, self.points).sum(1)


def integrated(network: Classifier, pixels: Tensor, classes: Tensor, steps: int = STEPS) -> Tensor:
    """The contribution of every value of the pictures, (B, C, H, W)."""
    places, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(steps))
    points = list(zip(((1 + places) / 2).tolist(), (weights / 2).tolist(), strict=True))
    total = torch.zeros_like(pixels)
    size = copies_at_once(pixels)
    for start in range(0, steps, size):
        some = points[start : start + size]
        line = torch.cat([place * pixels for place, _ in some])
        found = gradient(network, line, classes.repeat(len(some))).view(len(some), *pixels.shape)
        for one, (_, weight) in zip(found, some, strict=True):
            total += weight * one
    return pixels * total


@torch.no_grad()
def logit_change(network: Classifier, pixels: Tensor, classes: Tensor) -> Tensor:
    """The change of each picture's logit of its class from the baseline to the picture, (B,)."""
    return score(network(pixels), classes) - score(network(torch.zeros_like(pixels)), classes)
