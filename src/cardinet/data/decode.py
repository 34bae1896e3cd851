"""Decode the bytes of one picture to pixels, or give one plain reason why that is not possible."""

from __future__ import annotations

import ctypes
import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from PIL import Image, UnidentifiedImageError, _imaging

from cardinet.data import picture_formats, tiff
from cardinet.data.modes import PictureError, note_samples, orientation, storage_error, to_mode

__all__ = ["PictureError", "decode", "load_picture", "open_picture", "orientation", "to_mode"]

# check-data reports odd metadata and palettes in the user's words, so Pillow's warnings are not needed.
warnings.filterwarnings("ignore", module=r"PIL\.")
if picture_formats.HEIF:
    import pillow_heif

    pillow_heif.register_heif_opener()

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what Pillow logs
# libtiff prints messages on damaged data without the file's name, although Pillow raises an error as well. They are
# switched off once for all threads, which is not possible if libtiff is built into Pillow itself.
with suppress(AttributeError, OSError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_REDUCED = "cardinet_reduced"
"""The entry of `Image.info` in which a reduced picture keeps its full size; Pillow hands it on."""

Reduction = Callable[[tuple[int, int]], int]
"""The largest factor by which a picture of a (width, height) may be decoded smaller; 1 for not at all."""

_pillow = threading.Lock()


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
            image: Image.Image = Image.open(io.BytesIO(data), formats=picture_formats.FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except Exception as error:  # a decoder may raise anything at damaged bytes
        raise _damage(error) from error
    width, height = image.size
    if width * height > pixel_limit:
        size = f"{width}x{height} = {width * height:,} pixels"
        raise PictureError("over-large", f"{size}; the limit is {pixel_limit:,} (data.pixel_limit)")
    note_samples(image)  # before decoding, which forgets how the values are stored
    return image


def load_picture(data: bytes, pixel_limit: int, reduction: Reduction | None = None) -> Image.Image:
    """Decode a picture fully; of an animation only the first frame. Raises PictureError as `open_picture` does.

    With `reduction` the decoder may leave out the finest detail of a JPEG: it gives 1/2, 1/4 or 1/8 of the (width,
    height), the smallest that the function allows for the upright picture's size. `full_size` tells what it was.
    """
    image = open_picture(data, pixel_limit)
    if reduction is not None and image.format in ("JPEG", "MPO"):
        width, height = image.size
        upright = (height, width) if orientation(image) >= 5 else (width, height)
        allowed = reduction(upright)
        factor = max(one for one in (1, 2, 4, 8) if one <= max(1, allowed))
        if factor > 1:  # Pillow then chooses this very factor, as side // (side // factor) is below 2 * factor
            image.draft(None, (max(1, width // factor), max(1, height // factor)))
            image.info[_REDUCED] = upright, factor
    decode(image)
    return image


def full_size(image: Image.Image) -> tuple[tuple[int, int], int]:
    """The upright (width, height) of a picture before it was decoded at reduced scale, and the factor; 1 if it was not.

    A pixel of the picture stands for factor x factor pixels; at one end of a side it may stand for fewer.
    """
    found: tuple[tuple[int, int], int] = image.info.get(_REDUCED, (image.size, 1))
    return found


def decode(image: Image.Image) -> None:
    """Decode an opened picture in place. Raises PictureError (damaged, truncated)."""
    try:
        image.load()
    except Exception as error:  # a decoder may raise anything at damaged bytes
        raise _damage(error) from error


def _unidentified(data: bytes) -> PictureError:
    """The error for bytes that Pillow does not recognise."""
    name = picture_formats.format_of(data)
    if name is None:
        return PictureError("wrongly-typed", f"it is not a picture; it begins with {data[:12]!r}")
    if name not in picture_formats.FORMATS:
        return PictureError(
            "wrongly-typed", f"it is a {name} picture, which is not read; {picture_formats.REASONS[name]}"
        )
    if name == "TIFF" and (how := tiff.unread(data)) is not None:
        return storage_error(how)
    return PictureError("damaged", "its header cannot be read")


def _damage(error: Exception) -> PictureError:
    text = str(error) or type(error).__name__
    if text.startswith("unknown raw mode"):  # Pillow recognises the storage of the values but cannot read it
        return storage_error(text)
    cut = "truncated" in text.lower() or isinstance(error, EOFError)
    return PictureError("truncated" if cut else "damaged", text)
