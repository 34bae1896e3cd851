"""Occlusion: Zeiler and Fergus 2013, Section 4.2 (arXiv 1311.2901)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from cardinet.blocks.classifier import Classifier
from cardinet.explain.attribution.method import Method, copies_at_once, score

WINDOWS = 8
"""The side of the window is this share of the picture's side; it moves by half of its side."""


class Occlusion(Method):
    """How much the logit falls when a window of 0 covers a place; a place has the mean of its windows.

    0 in normalised pixels is the colour that the preprocessing subtracts.
    """

    SIGNED = True

    def maps(self, network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> Tensor:
        side = max(2, min(pixels.shape[2:]) // WINDOWS)
        return occluded(network, pixels, classes, side, max(1, side // 2))


@torch.no_grad()
def occluded(network: Classifier, pixels: Tensor, classes: Tensor, side: int, stride: int) -> Tensor:
    """The fall of the logit by place, (B, H, W), for a window of `side` pixels that moves by `stride`."""
    height, width = pixels.shape[2:]
    whole = score(network(pixels), classes)
    total = torch.zeros(len(pixels), height, width, device=pixels.device)
    times = torch.zeros(height, width, device=pixels.device)
    corners = list(itertools.product(_places(height, side, stride), _places(width, side, stride)))
    size = copies_at_once(pixels)
    for start in range(0, len(corners), size):
        some = corners[start : start + size]
        covered = torch.stack([pixels] * len(some))
        for copy, (top, left) in zip(covered, some, strict=True):
            copy[:, :, top : top + side, left : left + side] = 0
        falls = whole - score(network(covered.flatten(0, 1)), classes.repeat(len(some))).view(len(some), -1)
        for fall, (top, left) in zip(falls, some, strict=True):
            total[:, top : top + side, left : left + side] += fall[:, None, None]
            times[top : top + side, left : left + side] += 1
    return total / times


def _places(length: int, side: int, stride: int) -> range:
    """The first pixels of the windows; the last window may end behind the edge."""
    return range(0, -(-max(0, length - side) // stride) * stride + 1, stride)
