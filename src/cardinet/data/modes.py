"""From a decoded picture in any mode to 8-bit grey or RGB, upright."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

_SAMPLES = "cardinet.samples"
"""The key under which a picture's `info` keeps how its values are stored."""

_ORIENTATION = 0x0112
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED, _FLOAT = 0, 2, 3
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THE_WAY = {"P": "RGBA", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "LAB": "RGB"}
"""Modes that Pillow brings to grey or RGB over another one only; from P straight to RGB it warns of transparency."""


class PictureError(Exception):
    """A picture that cannot be used: its kind (as in check-data's findings) and the reason, without the name."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True)
class Samples:
    """How a file stores one value: its bits, whether it has a sign, whether 0 is white."""

    bits: int
    signed: bool = False
    white_is_zero: bool = False


def note_samples(image: Image.Image) -> None:
    """Keep how the values of an opened, not yet decoded picture are stored; for modes of more than 8 bits."""
    if _wide(image.mode):
        image.info[_SAMPLES] = _stored(image)


def samples_of(image: Image.Image) -> Samples | None:
    """How the values of a picture of more than 8 bits are stored; None for one of 8 bits.

    A picture that was not opened here is taken by its mode.
    """
    if not _wide(image.mode):
        return None
    noted = image.info.get(_SAMPLES)
    return noted if isinstance(noted, Samples) else Samples(16 if image.mode.startswith("I;16") else 32)


def _wide(mode: str) -> bool:
    return mode == "F" or mode.startswith("I")


def _stored(image: Image.Image) -> Samples:
    """By the tags of a TIFF file, else by the raw mode of its data, such as I;16B; what neither says by the mode."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        bits = tags.get(_BITS, (32,))
        form = tags.get(_SAMPLE_FORMAT, (1,))
        first = bits[0] if isinstance(bits, tuple) else bits
        kind = form[0] if isinstance(form, tuple) else form
        return Samples(int(first), kind in (_SIGNED, _FLOAT), tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)
    if image.format == "PPM":  # Pillow stretches the values to 16 bits
        return Samples(32 if image.mode == "F" else 16)
    tiles = getattr(image, "tile", None) or []
    arguments = tiles[0][3] if tiles and len(tiles[0]) > 3 else ""
    raw = str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)
    found = re.search(r"\d+", raw)
    if found:
        return Samples(int(found[0]), raw.endswith("S"))
    return Samples(16 if image.mode.startswith("I;16") or image.format in ("PNG", "JPEG2000", "AVIF", "HEIF") else 32)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 where there is none or it cannot be read.

    The picture has to be decoded: to look for it in what follows the pixels, Pillow would decode it here.
    """
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1


def to_mode(image: Image.Image, channels: int) -> Image.Image:
    """A decoded picture upright and as 8-bit grey (mode L) or RGB.

    The EXIF orientation is applied. Values of 9 to 16 bits are scaled by their bits (65535 of 16 becomes 255).
    Transparency is dropped, not composited: the stored colour shows, as in torchvision's loader. Raises PictureError
    for signed, floating-point and 32-bit values, whose range is not known.
    """
    samples = samples_of(image)
    turn = _TURNS.get(orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    wanted = "L" if channels == 1 else "RGB"
    if image.mode == wanted:
        return image
    if samples is not None:
        image = _eight_bits(image, samples)
    try:
        return image.convert(_ON_THE_WAY.get(image.mode, image.mode)).convert(wanted)
    except (ValueError, OSError) as error:
        raise PictureError("wrongly-typed", f"its colours (mode {image.mode}) cannot be read: {error}") from None


def _eight_bits(image: Image.Image, samples: Samples) -> Image.Image:
    if image.mode == "F" or samples.signed or not 8 < samples.bits <= 16:
        kind = "floating-point" if image.mode == "F" else "signed" if samples.signed else f"{samples.bits}-bit"
        raise PictureError(
            "wrongly-typed", f"its values are {kind} (mode {image.mode}), of no known range; save it with 8 or 16 bits"
        )
    values, most = np.asarray(image).astype(np.int64), 2**samples.bits - 1
    if samples.white_is_zero:
        values = most - values
    return Image.fromarray(((values.clip(0, most) * 255 + most // 2) // most).astype(np.uint8))
