"""Inspect the bytes of one picture: everything that a training would meet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from PIL import Image

from cardinet.data.decode import PictureError, decode, open_picture, orientation, to_mode
from cardinet.data.modes import samples_of

PLAIN = ("L", "RGB")


@dataclass(frozen=True)
class Remark:
    """A kind of finding with its reason. A `bad` remark makes the picture unusable."""

    kind: str
    detail: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """The remarks on a picture and the digest of its bytes, which is empty if they could not be read."""

    digest: str
    remarks: tuple[Remark, ...]


def inspect(data: bytes, pixel_limit: int) -> Inspection:
    """Read a picture as a training does, in the same order, and collect remarks.

    The order is header, size limit, all pixels, then grey and RGB. A picture without a bad remark is never refused
    later.
    """
    digest = hashlib.sha256(data).hexdigest()[:32]
    try:
        image = open_picture(data, pixel_limit)
        header = image.mode, _raw_mode(image), "transparency" in image.info  # decoding may change them
        decode(image)
        if image.mode not in PLAIN:
            for channels in (1, 3):
                to_mode(image, channels)
    except PictureError as error:
        return Inspection(digest, (Remark(error.kind, error.detail, True),))
    return Inspection(digest, tuple(_remarks(image, *header)))


def _remarks(image: Image.Image, mode: str, raw: str, transparent: bool) -> list[Remark]:
    found = []
    turn, samples = orientation(image), samples_of(image)
    if mode in ("1", "L", "LA") or mode.startswith("I"):
        found.append(Remark("grey", "it has one channel", False))
    if mode in ("P", "PA"):
        found.append(Remark("palette", "its colours are looked up in a palette; they are converted to RGB", False))
    if mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        found.append(Remark("colour-space", f"its colours are {mode}; they are converted to RGB", False))
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or transparent:
        found.append(Remark("alpha", "its transparency is removed; the colours under it are visible", False))
    if samples is not None:
        inverted = ", and 0 is white there, so they are inverted" if samples.white_is_zero else ""
        found.append(Remark("16-bit", f"its values of {samples.bits} bits are scaled to 8 bits{inverted}", False))
    elif "16" in raw:
        found.append(Remark("16-bit", "its values are scaled to 8 bits", False))
    if (frames := _frames(image)) != 1:
        how_many = f"{frames} frames" if frames else "several frames, not all of them readable"
        found.append(Remark("animated", f"it has {how_many}; the first is used", False))
    if turn in range(2, 9):
        found.append(Remark("rotated", f"its EXIF orientation {turn} is applied", False))
    return found


def _frames(image: Image.Image) -> int:
    """The number of frames or pages of a decoded picture; 0 if not all of them can be read."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a later frame is damaged, which is not used
        return 0


def _raw_mode(image: Image.Image) -> str:
    """How the values are stored in the file, such as RGB;16B, which Pillow reads as 8 bits."""
    tiles = getattr(image, "tile", None) or []
    arguments = tiles[0][3] if tiles and len(tiles[0]) > 3 else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)
