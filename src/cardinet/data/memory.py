"""Small pictures (up to 64x64, all of one size) decoded once into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from cardinet.data.decode import PictureError, load_picture, to_mode
from cardinet.data.listing import Encoded

SIDE = 64
BYTES = 2 << 30  # more than this stays encoded, whatever the size of a picture

_CHUNK = 512  # pictures a thread takes at once: a hand-over costs more than decoding a small one

Pixels = npt.NDArray[np.uint8]


class _Sizes(Exception):
    """The pictures are not of one size."""


@dataclass(frozen=True, eq=False)
class Small:
    """Small pictures of one size (H, W), and their `pixels` by split, uint8 (N, C, H, W); None where one is bad."""

    size: tuple[int, int]
    channels: int
    pixels: dict[str, Pixels] | None


def in_memory(encoded: Mapping[str, Encoded], counts: Mapping[str, int], pixel_limit: int) -> Small | None:
    """The pictures decoded; None where they are large or differ in size.

    The pictures that can be decoded decide: one bad picture must not turn a set of icons into one of photographs.
    One channel if each of them, in every split, is grey, else three.
    """
    size = _common_size(encoded, counts, pixel_limit)
    if size is None or sum(counts.values()) * 3 * size[0] * size[1] > BYTES:
        return None
    decoded: dict[str, Pixels] = {}
    grey, whole = True, True
    for name, source in encoded.items():
        try:
            decoded[name], all_grey, all_whole = _decode_all(source, counts[name], size, pixel_limit)
        except _Sizes:
            return None
        grey, whole = grey and all_grey, whole and all_whole
    pixels = {name: pixels[:, :1] if grey else pixels for name, pixels in decoded.items()}
    return Small((size[1], size[0]), 1 if grey else 3, pixels if whole else None)


def _common_size(encoded: Mapping[str, Encoded], counts: Mapping[str, int], pixel_limit: int) -> tuple[int, int] | None:
    """(width, height) of the first picture of each split that can be decoded; None where large or not the same."""
    sizes = set()
    for name, source in encoded.items():
        for i in range(counts[name]):
            with suppress(PictureError):
                sizes.add(_upright(source.read(i), pixel_limit)[0].size)
                break
    if len(sizes) != 1 or max(max(sizes)) > SIDE:
        return None
    return sizes.pop()


def _upright(data: bytes, pixel_limit: int) -> tuple[Image.Image, bool]:
    """A picture in mode L or RGB and whether it is grey. Raises PictureError."""
    image = load_picture(data, pixel_limit)
    grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    return to_mode(image, 1 if grey else 3), grey


def _decode_all(source: Encoded, count: int, size: tuple[int, int], pixel_limit: int) -> tuple[Pixels, bool, bool]:
    """Pixels (count, 3, H, W), stored with the channels last, and whether every picture is grey and every one whole.

    A bad picture is neither grey nor coloured, and its pixels are left open. Raises _Sizes.
    """
    pixels = np.empty((count, size[1], size[0], 3), dtype=np.uint8)

    def decode_some(start: int) -> tuple[bool, bool]:
        all_grey, all_whole = True, True
        for i in range(start, min(start + _CHUNK, count)):
            try:
                upright, grey = _upright(source.read(i), pixel_limit)
            except PictureError:
                all_whole = False  # check-data names it
                continue
            if upright.size != size:
                raise _Sizes
            pixels[i] = np.asarray(upright)[:, :, None] if grey else np.asarray(upright)
            all_grey = all_grey and grey
        return all_grey, all_whole

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        found = list(pool.map(decode_some, range(0, count, _CHUNK)))
    finally:
        pool.shutdown(cancel_futures=True)
    return pixels.transpose(0, 3, 1, 2), all(grey for grey, _ in found), all(whole for _, whole in found)
