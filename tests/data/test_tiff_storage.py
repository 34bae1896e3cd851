"""A TIFF is read with the right values or refused by how it is stored, and never read wrongly."""

from __future__ import annotations

import logging
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardinet.data.decode import PictureError, load_picture, to_mode
from data.pictures import tiff
from fuzzing.forked import in_child

LIMIT = 10**8
RGB, GREY, WHITE_IS_ZERO, LAB, CMYK = 2, 1, 0, 8, 5


def values(channels: int, bits: int) -> np.ndarray:
    shape = (6, 5, channels)
    return np.random.default_rng(channels).integers(0, 2**bits, shape, dtype=np.uint8 if bits == 8 else np.uint16)


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(PictureError) as caught:
        to_mode(load_picture(data, LIMIT), 3)
    return caught.value.kind, caught.value.detail


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_the_right_values_or_none(apart: bool, deflate: bool) -> None:
    kinds = {
        "RGB": (RGB, 3, {}),
        "RGBA": (RGB, 4, {"t338": 2}),
        "RGBX": (RGB, 4, {"t338": 0}),
        "grey": (GREY, 1, {}),
        "white is zero": (WHITE_IS_ZERO, 1, {}),
        "grey with alpha": (GREY, 2, {"t338": 2}),
    }
    read, refused = [], []
    for (name, (photometric, channels, more)), bits in product(kinds.items(), (8, 16)):
        stored = values(channels, bits)
        data = tiff(stored, bits=bits, photometric=photometric, deflate=deflate, t284=1 + apart, **more)
        try:
            pixels = np.asarray(to_mode(load_picture(data, LIMIT), 3)).astype(int)
        except PictureError as error:
            refused.append((name, bits, error.kind))
            continue
        expected = stored.astype(float) / (257 if bits == 16 else 1)
        expected = 255 - expected if photometric == WHITE_IS_ZERO else expected
        colours = expected[:, :, :3] if channels > 2 else expected[:, :, :1].repeat(3, axis=2)
        assert np.abs(pixels - colours).max() <= 1, (name, bits)
        read.append((name, bits))
    assert len(read) + len(refused) == 12
    assert {kind for _, _, kind in refused} == {"wrongly-typed"}
    assert len(read) == {(False, False): 11, (False, True): 11, (True, False): 3, (True, True): 10}[apart, deflate], (
        read
    )


@pytest.mark.parametrize(
    ("photometric", "channels"), [(LAB, 3), (GREY, 2), (CMYK, 4)], ids=["Lab", "grey with alpha", "16-bit CMYK"]
)
def test_channels_apart_that_pillow_mixes_up(photometric: int, channels: int) -> None:
    bits = 16 if photometric == CMYK else 8
    more: dict[str, Any] = {"t338": 2} if channels == 2 else {}
    kind, detail = refusal(tiff(values(channels, bits), bits=bits, photometric=photometric, t284=2, **more))
    assert (kind, "planar configuration 2" in detail) == ("wrongly-typed", True)
    together = tiff(values(channels, bits), bits=bits, photometric=photometric, **more)
    assert load_picture(together, LIMIT).size == (5, 6)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff(values(3, 16).astype(np.uint32), bits=32, photometric=RGB), "32 bits, 3 channels, photometric 2 (RGB)"),
        (tiff(values(2, 16), t338=2), "16 bits, 2 channels, photometric 1 (black is zero)"),
        (tiff(values(1, 8), bits=8, photometric=LAB), "8 bits, 1 channel, photometric 8 (CIE Lab)"),
        (tiff(values(1, 16), form=3), "16 bits, 1 channel, photometric 1 (black is zero), floating-point"),
        (tiff(values(1, 8), bits=8, t259=34712), "8 bits, 1 channel, photometric 1 (black is zero), compression 34712"),
        (b"MM\0+" + bytes(60), "as a big-endian BigTIFF"),
    ],
)
def test_what_pillow_refuses_is_said_by_its_tags(data: bytes, words: str) -> None:
    assert refusal(data) == (
        "wrongly-typed",
        f"it is stored in a way that is not read ({words}); save it as grey or RGB with 8 bits",
    )


def test_a_cut_header_is_damage_and_no_kind_of_storage() -> None:
    data = tiff(values(3, 16).astype(np.uint32), bits=32, photometric=RGB)
    said = {refusal(data[:length])[0] for length in range(9, len(data) - 40, 7)}
    assert said == {"damaged"}


def test_nobody_prints_past_us(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    broken = bytearray(tiff(ramp, bits=8, deflate=True))
    broken[8:40] = bytes(32)  # libtiff has something to say of it
    many = tiff(ramp, bits=8, t277=65283)  # and Pillow's log of this

    def read() -> None:
        logging.getLogger().handlers.clear()  # those of pytest
        for data, kind in ((bytes(broken), "damaged"), (many, "wrongly-typed")):
            print(refusal(data)[0] == kind)
        os.write(2, b"heard")

    ended = in_child(read, tmp_path)
    assert (ended.out, ended.err) == ("True\nTrue\n", "heard")
