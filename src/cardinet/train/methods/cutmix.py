"""CutMix: Yun et al. 2019 (arXiv 1905.04899)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cardinet.train.mixing import Mixing, Pictures, blended

if TYPE_CHECKING:
    import random


class CutMix(Mixing):
    """A box of each picture is replaced by that of the picture before it in the batch; labels follow the areas.

    The box has the area 1 - lambda, lambda from Beta(alpha, alpha), the shape of the picture and a centre that is
    uniform over the picture. What lies outside is cut off, and the labels follow the box that is left.
    """

    def mixed(self, own: Pictures, before: Pictures, share: float, draw: random.Random) -> Pictures:
        height, width = own.pixels.shape[2:]
        left, top, right, bottom = box(width, height, share, draw)
        mixed = own.pixels.clone()
        mixed[:, :, top:bottom, left:right] = before.pixels[:, :, top:bottom, left:right]
        kept = 1 - (right - left) * (bottom - top) / (width * height)
        return Pictures(mixed, blended(own.labels, before.labels, kept))


def box(width: int, height: int, share: float, draw: random.Random) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels of a box for a picture that keeps about `share` of its area."""
    x, y = int(draw.random() * width), int(draw.random() * height)
    half = 0.5 * math.sqrt(1 - share)
    across, down = int(half * width), int(half * height)
    return max(0, x - across), max(0, y - down), min(width, x + across), min(height, y + down)
