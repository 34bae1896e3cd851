"""Damaged pictures of every format: what `inspect` says of them, and what the reader of a training does."""

from __future__ import annotations

import io
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cardinet.base.errors import WorkError
from cardinet.data.augmentations import Augmentation
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.inspection import inspect
from cardinet.data.loading import Request, Work
from cardinet.data.picture_formats import AVAILABLE
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split
from cardinet.data.source_listing import Numbered

LIMIT = 10_000_000
SECONDS = 20.0
NAME = "picture "
READERS: tuple[tuple[Preprocessing, dict[str, Augmentation]], ...] = (
    (Preprocessing(channels=3, resize=20, crop=16, mean=(0.5,) * 3, std=(0.5,) * 3), {}),
    (
        Preprocessing(channels=1, resize=None, crop=16, mean=(0.5,), std=(0.5,)),
        {"PadCrop": PadCrop(pad=2), "Flip": Flip(probability=0.5)},
    ),
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


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced PNG: the first column and row, and how far apart the next ones are."""


def interlaced(image: Image.Image) -> bytes:
    """An RGB picture as a PNG in seven passes, which Pillow reads and does not write."""
    pixels = np.asarray(image)
    passes = [pixels[top::down, left::across] for left, top, across, down in ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1)
    found = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        found += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return found


def samples() -> dict[str, bytes]:
    """A whole picture of each format, mode and way of storing it that is read."""
    colour = _picture("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {f"png {mode}": _saved(_picture(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")}
    found |= {
        "png interlaced": interlaced(colour),
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

    "mismatches": one calls a picture bad and the other does not, or for another reason; "tracebacks": an exception that
    is not a sentence on the picture.
    """
    found: Counter[str] = Counter(damages=0, refused=0, mismatches=0, tracebacks=0, hangs=0)
    for what, data in damages(seed, count):
        started = time.monotonic()
        try:
            reasons = [f"{NAME}0: {r.kind}: {r.detail}." for r in inspect(data, LIMIT).remarks if r.bad]
            said = [_said(work) for work in _works(data)]
        except Exception as error:
            found["tracebacks"] += 1
            print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        finally:
            found["damages"] += 1
        found["refused"] += bool(reasons)
        expected: set[str | None] = {*reasons} or {None}
        if set(said) != expected:
            found["mismatches"] += 1
            print(f"{what}: inspect {reasons}, reader {said}", file=sys.stderr)
        if time.monotonic() - started > SECONDS:
            found["hangs"] += 1
            print(f"{what}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return dict(found)


def _said(work: Work) -> str | None:
    """Why the reader of a training or an evaluation refuses the one picture of a split; None where it reads it."""
    try:
        work.pixels(Request(0, np.array([0])))
    except WorkError as error:
        return str(error)
    return None


@dataclass(frozen=True)
class _Bytes:
    """Pictures in memory, as a source holds encoded ones."""

    pictures: tuple[bytes, ...]

    def read(self, index: int) -> bytes:
        return self.pictures[index]


def _works(data: bytes) -> list[Work]:
    """What an evaluation in colour and a training in grey do with a picture."""
    split = Split("train", np.array([0]), Numbered(NAME, 1), None, _Bytes((data,)), 1, LIMIT)
    return [Work(split, preprocessing, augmentation, seed=0) for preprocessing, augmentation in READERS]
