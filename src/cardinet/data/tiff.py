"""The storage of values in a TIFF, by its tags, and the kinds of storage that are not read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

Tags = Mapping[int, Any]

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
CHANNELS, PLANES, SAMPLE_FORMAT = 277, 284, 339
"""Tags of TIFF 6.0."""

COLOURS = {
    0: "white is zero",
    1: "black is zero",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIE Lab",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}
"""The values of the photometric interpretation."""
FORMS = {1: "", 2: "signed", 3: "floating-point", 4: "", 5: "complex", 6: "complex"}
"""The values of the sample format; those without a word are whole numbers from 0 on."""
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
_UNCOMPRESSED, _APART, _REVERSED = 1, 2, 2
_BIG_ENDIAN_BIGTIFF = b"MM\0+"


@dataclass(frozen=True)
class Storage:
    """The storage of a file's values: bits of a value, channels, and further tags."""

    bits: int
    channels: int
    photometric: int
    form: int
    compression: int
    planes: int
    fill_order: int

    @property
    def in_words(self) -> str:
        """Bits, channels, colours and everything unusual, as text."""
        said = [f"{self.bits} bits", f"{self.channels} channel{'s' if self.channels > 1 else ''}"]
        said.append(f"photometric {self.photometric} ({COLOURS[self.photometric]})")
        said += [FORMS[self.form]] if FORMS[self.form] else []
        said += ["planar configuration 2"] if self.planes == _APART else []
        said += ["fill order 2"] if self.fill_order == _REVERSED else []
        said += [f"compression {self.compression}"] if self.compression not in COMPRESSION_INFO else []
        return ", ".join(said)

    def misread(self, mode: str) -> bool:
        """Whether Pillow, which opens the picture in this mode, would silently read wrong values.

        It reads separate planes of RGB and CMYK only. Uncompressed planes it reads as plain bytes, without regard to
        their bits, their order and whether 0 is white.
        """
        if self.planes != _APART:
            return False
        if self.channels > 1 and not (
            self.photometric in (RGB, CMYK) and (mode in ("RGB", "CMYK") or (mode == "RGBA" and self.channels == 4))
        ):
            return True
        plain = self.fill_order != _REVERSED and (
            (self.bits == 8 and self.photometric != WHITE_IS_ZERO)
            or (self.bits, self.photometric) == (1, BLACK_IS_ZERO)
        )
        return self.compression == _UNCOMPRESSED and not plain


def storage(tags: Tags) -> Storage | None:
    """The storage that the tags of a picture state; None if the tags make no sense."""
    values = [
        _first(tags.get(tag, usual))
        for tag, usual in (
            (BITS, 1),
            (CHANNELS, 1),
            (PHOTOMETRIC, WHITE_IS_ZERO),
            (SAMPLE_FORMAT, 1),
            (COMPRESSION, _UNCOMPRESSED),
            (PLANES, 1),
            (FILL_ORDER, 1),
        )
    ]
    if not all(isinstance(value, int) for value in values):
        return None
    found = Storage(*values)
    known = found.photometric in COLOURS and found.form in FORMS
    return found if known and 1 <= found.bits <= 64 and found.channels >= 1 else None


def unread(data: bytes) -> str | None:
    """The storage of an undamaged TIFF that Pillow refuses, as text; None if its first directory is damaged."""
    if data.startswith(_BIG_ENDIAN_BIGTIFF):
        return "as a big-endian BigTIFF"
    try:
        tags = ImageFileDirectory_v2(data[: 16 if data[2] == 43 else 8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        sides = tags.get(WIDTH), tags.get(HEIGHT)
        found = storage(tags) if all(isinstance(side, int) and side > 0 for side in sides) else None
    except Exception:  # it may raise anything for damaged bytes
        return None
    return None if found is None else found.in_words


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value
