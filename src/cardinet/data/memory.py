"""Small pictures (up to 64x64, all of one size) decoded once into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from cardinet.data.decode import PictureError, load_picture, open_picture, to_mode
from cardinet.data.listing import Encoded

SIDE = 64
BYTES = 2 << 30  # more than this stays encoded, whatever the size of a picture

_CHUNK = 512  # pictures a thread takes at once: a hand-over costs more than decoding a small one

Pixels = npt.NDArray[np.uint8]


def in_memory(encoded: Mapping[str, Encoded], counts: Mapping[str, int], pixel_limit: int) -> dict[str, Pixels] | None:
    """The pixels of each split, uint8 (N, C, H, W); None where the pictures are large, differ in size or one is
    damaged.

    One channel if every picture of every split is grey, else three.
    """
    size = _common_size(list(encoded.values()), pixel_limit)
    if size is None or sum(counts.values()) * 3 * size[0] * size[1] > BYTES:
        return None
    decoded: dict[str, Pixels] = {}
    grey = True
    for name, source in encoded.items():
        try:
            decoded[name], all_grey = _decode_all(source, counts[name], size, pixel_limit)
        except PictureError:
            return None  # check-data names the picture
        grey = grey and all_grey
    return {name: pixels[:, :1] if grey else pixels for name, pixels in decoded.items()}


def _common_size(encoded: list[Encoded], pixel_limit: int) -> tuple[int, int] | None:
    try:
        sizes = {open_picture(source.read(0), pixel_limit).size for source in encoded}
    except PictureError:
        return None
    if len(sizes) != 1 or max(max(sizes)) > SIDE:
        return None
    return sizes.pop()


def _decode_all(source: Encoded, count: int, size: tuple[int, int], pixel_limit: int) -> tuple[Pixels, bool]:
    """Pixels (count, 3, H, W), stored with the channels last, and whether every picture is grey."""
    pixels = np.empty((count, size[1], size[0], 3), dtype=np.uint8)

    def decode_some(start: int) -> bool:
        all_grey = True
        for i in range(start, min(start + _CHUNK, count)):
            image = load_picture(source.read(i), pixel_limit)
            grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
            upright = to_mode(image, 1 if grey else 3)
            if upright.size != size:
                raise PictureError("size", "not all pictures have one size")
            pixels[i] = np.asarray(upright)[:, :, None] if grey else np.asarray(upright)
            all_grey = all_grey and grey
        return all_grey

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        all_grey = all(list(pool.map(decode_some, range(0, count, _CHUNK))))
    finally:
        pool.shutdown(cancel_futures=True)
    return pixels.transpose(0, 3, 1, 2), all_grey
