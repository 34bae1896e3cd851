"""Decode small pictures (up to 64x64, all of one size) once into memory."""

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
from cardinet.data.modes import is_grey
from cardinet.data.source_listing import Encoded

SIDE = 64
BYTES = 2 << 30  # larger sets stay encoded

_CHUNK = 512  # pictures for each task of a thread: starting a task costs more than decoding a small picture

Pixels = npt.NDArray[np.uint8]


class _Sizes(Exception):
    """The pictures differ in size."""


@dataclass(frozen=True, eq=False)
class SmallPictures:
    """Small pictures of one size (H, W). `pixels` by split are uint8 (N, C, H, W); None if a picture is bad."""

    size: tuple[int, int]
    channels: int
    pixels: dict[str, Pixels] | None


def decode_small(encoded: Mapping[str, Encoded], counts: Mapping[str, int], pixel_limit: int) -> SmallPictures | None:
    """The decoded pictures; None if they are large or differ in size.

    Only pictures that can be decoded count: one bad picture must not turn a set of icons into a set of photographs.
    There is one channel if every picture in every split is grey, else three.
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
    return SmallPictures((size[1], size[0]), 1 if grey else 3, pixels if whole else None)


def _common_size(encoded: Mapping[str, Encoded], counts: Mapping[str, int], pixel_limit: int) -> tuple[int, int] | None:
    """The common (width, height) of each split's first decodable picture; None if it is large or not common."""
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
    grey = is_grey(image)
    return to_mode(image, 1 if grey else 3), grey


def _decode_all(source: Encoded, count: int, size: tuple[int, int], pixel_limit: int) -> tuple[Pixels, bool, bool]:
    """Pixels (count, 3, H, W), stored with the channels last; whether all pictures are grey; whether all are good.

    A bad picture counts as neither grey nor coloured, and its pixels are undefined. Raises _Sizes.
    """
    pixels = np.empty((count, size[1], size[0], 3), dtype=np.uint8)

    def decode_some(start: int) -> tuple[bool, bool]:
        all_grey, all_whole = True, True
        for i in range(start, min(start + _CHUNK, count)):
            try:
                upright, grey = _upright(source.read(i), pixel_limit)
            except PictureError:
                all_whole = False  # check-data reports the picture
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
