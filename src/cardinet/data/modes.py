"""Convert a decoded picture of any mode to upright 8-bit grey or RGB."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cardinet.data.tiff import FORMS, WHITE_IS_ZERO, storage

_SAMPLES = "cardinet.samples"
"""The key of a picture's `info` that holds its `Samples`."""

_ORIENTATION = 0x0112
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
"""Modes that need a step in between on the way to grey or RGB. From P straight to RGB Pillow warns of transparency."""


class PictureError(Exception):
    """A picture that cannot be used: the kind of the finding (as in check-data) and the reason, without the name."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True)
class Samples:
    """The storage of one value in a file: its bits, a reason for an unknown range (a sign), whether 0 is white."""

    bits: int
    form: str = ""
    white_is_zero: bool = False


def is_grey(image: Image.Image) -> bool:
    """Whether a picture has no colours, by its mode."""
    return image.mode in ("1", "L", "LA") or image.mode.startswith("I")


def note_samples(image: Image.Image) -> None:
    """Note how the values of an opened, not yet decoded picture are stored, for modes with more than 8 bits.

    Raises PictureError for values of unknown range, and for values that Pillow misreads.
    """
    wide = _wide(image.mode)
    if not wide and image.format != "TIFF":
        return
    samples = _tiff_samples(image) if image.format == "TIFF" else _raw_samples(image)
    _check_range(image.mode, samples)
    if wide:
        image.info[_SAMPLES] = samples


def note_opened(image: Image.Image) -> None:
    """As `note_samples`, for a picture that the caller has opened from a file and perhaps decoded.

    A picture that was not read from a file has no format; its mode tells its storage.
    """
    undecoded = bool(getattr(image, "tile", None))
    if image.format is not None and (undecoded or _SAMPLES not in image.info):
        note_samples(image)


def samples_of(image: Image.Image) -> Samples | None:
    """The storage of the values of a picture with more than 8 bits; None for 8 bits.

    For a picture that was not opened here its mode decides.
    """
    if not _wide(image.mode):
        return None
    noted = image.info.get(_SAMPLES)
    return noted if isinstance(noted, Samples) else Samples(16 if image.mode.startswith("I;16") else 32)


def _wide(mode: str) -> bool:
    return mode == "F" or mode.startswith("I")


def _tiff_samples(image: Image.Image) -> Samples:
    found = storage(getattr(image, "tag_v2", {}))
    if found is None:
        raise PictureError("damaged", "its tags do not say how its values are stored")
    if found.misread(image.mode):
        raise storage_error(found.in_words)
    return Samples(found.bits, FORMS[found.form], found.photometric == WHITE_IS_ZERO)


def storage_error(how: str) -> PictureError:
    """The error for an undamaged picture with a kind of storage that is not read."""
    return PictureError(
        "wrongly-typed", f"it is stored in a way that is not read ({how}); save it as grey or RGB with 8 bits"
    )


def _raw_samples(image: Image.Image) -> Samples:
    """The storage by the raw mode of the data, such as I;16B, and otherwise by the mode."""
    if image.format == "PPM":  # Pillow stretches the values to 16 bits
        return Samples(32 if image.mode == "F" else 16)
    tiles = getattr(image, "tile", None) or []
    arguments = tiles[0][3] if tiles and len(tiles[0]) > 3 else ""
    raw = str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)
    found = re.search(r"\d+", raw)
    if found:
        return Samples(int(found[0]), "signed" if raw.endswith("S") else "")
    return Samples(16 if image.mode.startswith("I;16") or image.format in ("PNG", "JPEG2000", "AVIF", "HEIF") else 32)


def _check_range(mode: str, samples: Samples) -> None:
    """Raise PictureError for values of unknown range: with a sign, floating-point or 32 bits."""
    kind = "floating-point" if mode == "F" else samples.form
    if not kind and _wide(mode) and not 8 < samples.bits <= 16:
        kind = f"{samples.bits}-bit"
    if kind:
        raise PictureError(
            "wrongly-typed",
            f"its values are {kind} (mode {mode}) with an unknown range; save it with 8 or 16 bits and without a sign",
        )


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 if it is missing or cannot be read.

    The picture must be decoded before: otherwise Pillow would decode it here to search behind the pixels.
    """
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the pixels may be good although the EXIF data is damaged
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
    _check_range(image.mode, samples)
    values, most = np.asarray(image).astype(np.int64), 2**samples.bits - 1
    if samples.white_is_zero:
        values = most - values
    return Image.fromarray(((values.clip(0, most) * 255 + most // 2) // most).astype(np.uint8))
