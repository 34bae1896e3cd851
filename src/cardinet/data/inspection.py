"""Everything that can be said of one picture's bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from PIL import Image

from cardinet.data.decode import PictureError, decode, open_picture, orientation, to_mode


@dataclass(frozen=True)
class Remark:
    """A kind of finding with its reason; `bad` keeps the picture from being used."""

    kind: str
    detail: str
    bad: bool


@dataclass(frozen=True)
class Inspection:
    """A picture's remarks and the digest of its bytes ("" where they could not be read)."""

    digest: str
    remarks: tuple[Remark, ...]


def inspect(data: bytes, pixel_limit: int) -> Inspection:
    """Read the header, check the size against the limit, then decode fully."""
    digest = hashlib.sha256(data).hexdigest()[:32]
    try:
        image = open_picture(data, pixel_limit)
        remarks = _remarks(image)  # of the header: decoding may change the mode
        decode(image)
        if image.mode == "F" or image.mode.startswith("I"):
            to_mode(image, 1)  # raises where the values are not 16 bits
    except PictureError as error:
        return Inspection(digest, (Remark(error.kind, error.detail, True),))
    return Inspection(digest, tuple(remarks))


def _remarks(image: Image.Image) -> list[Remark]:
    found = []
    mode, turn, frames = image.mode, orientation(image), getattr(image, "n_frames", 1)
    if mode in ("1", "L", "LA") or mode.startswith("I"):
        found.append(Remark("grey", "it has one channel", False))
    if mode in ("P", "PA"):
        found.append(Remark("palette", "its colours are looked up in a palette; they are converted to RGB", False))
    if mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        found.append(Remark("colour-space", f"its colours are {mode}; they are converted to RGB", False))
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        found.append(Remark("alpha", "its transparency is dropped; the colours stored under it show", False))
    if mode.startswith("I") or "16" in _raw_mode(image):
        found.append(Remark("16-bit", "its values are scaled to 8 bits", False))
    if frames > 1:
        found.append(Remark("animated", f"it has {frames} frames; the first is used", False))
    if turn in range(2, 9):
        found.append(Remark("rotated", f"its EXIF orientation {turn} is applied", False))
    return found


def _raw_mode(image: Image.Image) -> str:
    """How the values are stored in the file, such as RGB;16B, which Pillow reads as 8 bits."""
    tiles = getattr(image, "tile", None) or []
    arguments = tiles[0][3] if tiles and len(tiles[0]) > 3 else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)
