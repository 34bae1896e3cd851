"""Pictures made on the spot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

MakePicture = Callable[..., Path]


def noise(width: int, height: int, seed: int = 0, channels: int = 3) -> Image.Image:
    """A picture of smooth noise: neither flat nor so rough that every filter differs at once."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, channels), dtype=np.uint8)
    pixels = coarse[:, :, 0] if channels == 1 else coarse
    smooth = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(np.clip(smooth + rng.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8))


def tiff(
    values: np.ndarray, *, photometric: int = 1, bits: int = 16, form: int = 1, deflate: bool = False, **more: int
) -> bytes:
    """A TIFF by hand, of (H, W) or (H, W, C) values: Pillow writes only some of these. More tags as `t284=2`."""
    values = values.reshape(*values.shape[:2], -1)
    height, width, channels = values.shape
    tags = {256: width, 257: height, 258: (bits,) * channels, 259: 8 if deflate else 1, 262: photometric}
    tags |= {277: channels, 278: height, 339: (form,) * channels} | {int(tag[1:]): more[tag] for tag in more}
    planes = [values] if tags.get(284) != 2 else [values[:, :, i] for i in range(channels)]
    strips = [zlib.compress(plane.tobytes()) if deflate else plane.tobytes() for plane in planes]
    starts = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    tags |= {273: tuple(starts), 279: tuple(map(len, strips))}
    data, lists, entries = b"".join(strips), b"", b""
    for tag, value in sorted(tags.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(packed) > 4:
            lists, packed = lists + packed, struct.pack("<I", 8 + len(data) + len(lists))
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + packed
    directory = 8 + len(data) + len(lists)
    return b"II*\0" + struct.pack("<I", directory) + data + lists + struct.pack("<H", len(tags)) + entries + bytes(4)
