"""Files that users really have, and some that a hostile user would make."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 40, 200), "red": (200, 40, 30), "green": (30, 180, 60), "grey": (120, 120, 120)}


def picture(path: Path, colour: tuple[int, int, int] = (200, 40, 30), size: int = 16, seed: int = 0) -> Path:
    """A picture of one colour with some noise, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-25, 25, (size, size, 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def class_folder(root: Path, classes: tuple[str, ...] = ("blue", "red"), count: int = 12, size: int = 16) -> Path:
    """`count` noisy pictures of one colour for each class."""
    colours = list(COLOURS.values())
    for number, name in enumerate(classes):
        for i in range(count):
            picture(root / name / f"{i}.png", colours[number % len(colours)], size, seed=100 * number + i)
    return root


def truncated_jpeg(path: Path) -> Path:
    """The first half of a picture."""
    picture(path, size=64)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def bomb_png(path: Path, side: int = 30_000) -> Path:
    """A valid PNG of side x side pixels in a few kilobytes: 1-bit grey zeros."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


def truncate(path: Path, to: Path, share: float) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    return to


class Evil:
    """An object whose unpickling creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch '{self.mark}'",)


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, by which a change shows; the lock of a run folder holds nothing."""
    files = [p for p in root.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in files}
