"""Random rectangles by their share of a picture's area and their shape, as torchvision draws them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardinet.data.draws import Draws

Box = tuple[int, int, int, int]
"""(top, left, height, width)."""

TRIES = 10


class Boxes:
    """A box for each sample: the first of ten tries of an area share and a log-uniform ratio that fits.

    Its position is uniform. `ratio` is the width by the height. The draws are `owner.corner`, `owner.area` and
    `owner.ratio`.
    """

    def __init__(self, draws: Draws, owner: str, area: tuple[float, float], ratio: tuple[float, float]) -> None:
        self.area = area
        self.ratio = math.log(ratio[0]), math.log(ratio[1])
        self._corners = draws.uniform_rows(f"{owner}.corner", 2)
        self._areas = draws.uniform_rows(f"{owner}.area", TRIES)
        self._ratios = draws.uniform_rows(f"{owner}.ratio", TRIES)

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._corners)

    def box(self, sample: int, height: int, width: int, *, whole: bool) -> Box | None:
        """The box of a sample in a picture of this size; None if no try fits.

        With `whole` it may be as high or as wide as the picture.
        """
        for u, v in zip(self._areas[sample].tolist(), self._ratios[sample].tolist(), strict=True):
            h, w = self._size(u, v, height * width)
            if 0 < h < height + whole and 0 < w < width + whole:
                down, across = self._corners[sample].tolist()
                return int(down * (height - h + 1)), int(across * (width - w + 1)), h, w
        return None

    def _size(self, u: float, v: float, pixels: int) -> tuple[int, int]:
        """The (height, width) of one try."""
        (low, high), (narrow, wide) = self.area, self.ratio
        area = pixels * (low + (high - low) * u)
        ratio = math.exp(narrow + (wide - narrow) * v)
        return round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
