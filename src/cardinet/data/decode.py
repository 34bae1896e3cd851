"""From the bytes of one picture to 8-bit pixels, with one plain reason where that is not possible."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, UnidentifiedImageError

EXTENSIONS = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
)
# Named one by one: Pillow knows formats (EPS) that start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_BEGINNINGS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"BM", b"GIF8", b"II*\0", b"MM\0*")
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
_pillow = threading.Lock()


class PictureError(Exception):
    """A picture that cannot be used: its kind (as in check-data's findings) and the reason, without the name."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


@contextmanager
def _no_pixel_limit() -> Iterator[None]:
    # Pillow's own limit is a process-wide number that warns and, at twice its value, raises; ours is a setting.
    with _pillow:
        saved, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = saved


def open_picture(data: bytes, pixel_limit: int) -> Image.Image:
    """Read the header only. Raises PictureError (empty, wrongly-typed, damaged, truncated, over-large)."""
    if not data:
        raise PictureError("empty", "the file is empty")
    try:
        with _no_pixel_limit():
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if data.startswith(_BEGINNINGS):
            raise PictureError("damaged", "its header cannot be read") from None
        raise PictureError("wrongly-typed", f"it is no picture; it begins with {data[:12]!r}") from None
    except Exception as error:  # a decoder may raise anything at damaged bytes
        raise _damage(error) from error
    width, height = image.size
    if width * height > pixel_limit:
        size = f"{width}x{height} = {width * height:,} pixels"
        raise PictureError("over-large", f"{size}; the limit is {pixel_limit:,} (data.pixel_limit)")
    return image


def load_picture(data: bytes, pixel_limit: int) -> Image.Image:
    """Decode fully; of an animation the first frame. Raises PictureError as `open_picture` does."""
    image = open_picture(data, pixel_limit)
    decode(image)
    return image


def decode(image: Image.Image) -> None:
    """Decode an opened picture in place. Raises PictureError (damaged, truncated)."""
    try:
        image.load()
    except Exception as error:  # a decoder may raise anything at damaged bytes
        raise _damage(error) from error


def _damage(error: Exception) -> PictureError:
    text = str(error) or type(error).__name__
    cut = "truncated" in text.lower() or isinstance(error, EOFError)
    return PictureError("truncated" if cut else "damaged", text)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 where there is none or it cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1


def to_mode(image: Image.Image, channels: int) -> Image.Image:
    """A decoded picture upright and as 8-bit grey (mode L) or RGB.

    The EXIF orientation is applied. 16-bit values are scaled (65535 becomes 255). Transparency is dropped, not
    composited: the stored colour shows, as in torchvision's loader. Raises PictureError for 32-bit values,
    whose range is not known.
    """
    turn = _TURNS.get(orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    wanted = "L" if channels == 1 else "RGB"
    if image.mode == wanted:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about palettes with transparency
    return image.convert(wanted)


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise PictureError(
            "wrongly-typed", f"its values (mode {image.mode}) are not 8 or 16 bits; save it as one of these"
        )
    return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
