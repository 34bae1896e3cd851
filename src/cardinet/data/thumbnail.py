"""Thumbnails: small pictures for a page."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from cardinet.data.decode import to_mode

SIDE = 160
"""The longer side, in pixels."""


@dataclass(frozen=True)
class Thumbnail:
    """A PNG. `width` and `height` are those of the original picture."""

    png: bytes
    width: int
    height: int


def thumbnail(image: Image.Image, side: int = SIDE) -> Thumbnail:
    """The picture as a network reads it (upright, 8 bits), at most `side` pixels wide and high.

    Raises PictureError for a mode that cannot be converted to 8 bits.
    """
    image = to_mode(image, 1 if image.mode in ("1", "L") else 3)
    width, height = image.size
    if max(width, height) > side:
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Thumbnail(buffer.getvalue(), width, height)
