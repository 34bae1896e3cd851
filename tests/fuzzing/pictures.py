"""Damaged pictures of every format: what `inspect` says of them, and what the reader of a training does."""

from __future__ import annotations

import io
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
from PIL import Image

from cardinet.data.decode import PictureError, load_picture
from cardinet.data.formats import AVAILABLE
from cardinet.data.inspection import inspect
from cardinet.data.preprocessing import Preprocessing

LIMIT = 10_000_000
SECONDS = 20.0
PREPROCESSINGS = (
    Preprocessing(channels=3, resize=20, crop=16, mean=(0.5,) * 3, std=(0.5,) * 3),
    Preprocessing(channels=1, resize=None, crop=16, mean=(0.5,), std=(0.5,)),
)


def _picture(mode: str, seed: int = 0) -> Image.Image:
    """A picture of 40 x 32 pixels of smooth noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)).resize((40, 32), Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", small.size, small.tobytes())
    return small.convert(mode)


def _saved(image: Image.Image, format: str, **how: object) -> bytes:
    file = io.BytesIO()
    image.copy().save(file, format, **how)  # a copy: a picture keeps what an encoder was told
    return file.getvalue()


def _pages(format: str) -> bytes:
    """Three pictures in one file."""
    first, *others = (_picture("P" if format == "GIF" else "RGB", seed) for seed in range(3))
    return _saved(first, format, save_all=True, append_images=others)


def samples() -> dict[str, bytes]:
    """A whole picture of each format, mode and way of storing it that is read."""
    colour = _picture("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {f"png {mode}": _saved(_picture(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")}
    found |= {
        "png animated": _pages("PNG"),
        "png with exif": _saved(colour, "PNG", exif=exif),
        "jpeg": _saved(colour, "JPEG"),
        "jpeg grey": _saved(_picture("L"), "JPEG"),
        "jpeg progressive": _saved(colour, "JPEG", progressive=True),
        "jpeg cmyk": _saved(_picture("CMYK"), "JPEG"),
        "jpeg with exif": _saved(colour, "JPEG", exif=exif),
        "mpo": _pages("MPO"),
        "webp": _saved(colour, "WEBP"),
        "webp lossless": _saved(_picture("RGBA"), "WEBP", lossless=True),
        "webp animated": _pages("WEBP"),
        "bmp": _saved(colour, "BMP"),
        "bmp palette": _saved(_picture("P"), "BMP"),
        "gif": _saved(_picture("P"), "GIF"),
        "gif animated": _pages("GIF"),
        "ppm": _saved(colour, "PPM"),
        "pgm": _saved(_picture("L"), "PPM"),
        "pgm 16": _saved(_picture("I;16"), "PPM"),
        "pbm": _saved(_picture("1"), "PPM"),
    }
    tiffs = {"none": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate", "packbits": "packbits", "jpeg": "jpeg"}
    found |= {f"tiff {name}": _saved(colour, "TIFF", compression=how) for name, how in tiffs.items()}
    found |= {f"tiff {mode}": _saved(_picture(mode), "TIFF") for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16", "LAB")}
    found["tiff pages"] = _pages("TIFF")
    if AVAILABLE["AVIF"]:
        found["avif"] = _saved(colour, "AVIF")
    if AVAILABLE["JPEG2000"]:
        found["jpeg 2000"] = _saved(colour, "JPEG2000")
    if AVAILABLE["HEIF"]:
        found["heic"] = _saved(colour, "HEIF")
    return found


def damages(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged pictures with what was done to them: a byte changed, bytes cut off at the end, or both."""
    rng = np.random.default_rng(seed)
    whole = list(samples().items())
    for number in range(count):
        name, data = whole[number % len(whole)]
        place, kind = int(rng.integers(len(data))), ("byte", "byte", "byte", "cut", "head")[int(rng.integers(5))]
        if kind == "cut":
            yield f"{name}: {len(data)} bytes cut to {place}", data[:place]
            continue
        if kind == "head":  # where the fewest bytes decide most
            place = int(rng.integers(min(64, len(data))))
        change = int(rng.integers(1, 256))
        yield (
            f"{name}: byte {place} changed by {change}",
            data[:place] + bytes([data[place] ^ change]) + data[place + 1 :],
        )


def run(seed: int, count: int) -> dict[str, int]:
    """Damage pictures and count where `inspect` and the reader do not agree, and what else goes wrong.

    "mismatches": one calls a picture bad and the other does not; "tracebacks": another exception than `PictureError`.
    """
    found: Counter[str] = Counter(damages=0, refused=0, mismatches=0, tracebacks=0, hangs=0)
    for what, data in damages(seed, count):
        started = time.monotonic()
        try:
            bad = any(remark.bad for remark in inspect(data, LIMIT).remarks)
            refusals = [_refused(data, preprocessing) for preprocessing in PREPROCESSINGS]
        except Exception as error:
            found["tracebacks"] += 1
            print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        finally:
            found["damages"] += 1
        found["refused"] += bad
        if bad != any(refusals):
            found["mismatches"] += 1
            print(f"{what}: inspect {bad}, reader {refusals}", file=sys.stderr)
        if time.monotonic() - started > SECONDS:
            found["hangs"] += 1
            print(f"{what}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return dict(found)


def _refused(data: bytes, preprocessing: Preprocessing) -> bool:
    """Whether the reader of a training and an evaluation refuses a picture."""
    read = partial(load_picture, data, LIMIT)
    try:
        preprocessing.fit(read())
    except PictureError:
        return True
    return False
