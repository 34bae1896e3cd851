"""Only what a crop shows is resized of a long strip; of every other picture the pixels are those of the whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from cardinet.data import preprocessing as module
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.preprocessing import Preprocessing
from cardinet.evaluate.ten_crop import ten_crops
from data.pictures import noise
from data.varied import photograph, together
from fuzzing.forked import in_child

Interpolation = Literal["bilinear", "bicubic", "nearest"]


def how(interpolation: Interpolation = "bilinear", antialias: bool = True, resize: int | None = 40) -> Preprocessing:
    constants = (0.5,) * 3
    return Preprocessing(
        channels=3,
        resize=resize,
        crop=32,
        interpolation=interpolation,
        antialias=antialias,
        mean=constants,
        std=constants,
    )


SIZES = [(w, h) for w in (1, 3, 31, 32, 40, 57) for h in (1, 5, 32, 41, 90)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("resize", [None, 20, 40])
def test_the_same_pixels_as_the_whole(interpolation: Interpolation, antialias: bool, resize: int | None) -> None:
    p = how(interpolation, antialias, resize)
    assert len(SIZES) == 30
    for size in SIZES:
        image = noise(*size, seed=size[0])
        assert np.array_equal(np.asarray(p.fit(image)), np.asarray(p.centre_crop(p.resized(image)))), size


def test_a_window_differs_by_roundings_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(50, 400, seed=3)
    kinds: tuple[Interpolation, ...] = ("bilinear", "bicubic")
    whole = {k: np.asarray(how(k).fit(image)).astype(int) for k in kinds}
    monkeypatch.setattr(module, "WHOLE", 0)
    monkeypatch.setattr(module, "CROPS", 0)
    for kind, pixels in whole.items():
        assert np.abs(np.asarray(how(kind).fit(image)).astype(int) - pixels).max() <= 1, kind


@pytest.mark.parametrize("crop", [224, 1024])
@pytest.mark.parametrize(
    "size",
    [
        (1, 30_000),
        pytest.param((30_000, 1), marks=pytest.mark.long),
        (40, 1900),
        pytest.param((1900, 40), marks=pytest.mark.long),
    ],
)
def test_a_strip_takes_little_memory(size: tuple[int, int], crop: int, tmp_path: Path) -> None:
    resize = round(crop / 0.875)
    strip, p = (
        Image.new("RGB", size, (200, 100, 50)),
        Preprocessing(channels=3, resize=resize, crop=crop, mean=(0.5,) * 3, std=(0.5,) * 3),
    )

    def crops(strip: Image.Image = strip) -> int:
        varied = (together(PadCrop(pad=4), Flip()), together(Flip()))
        made = [p.fit(strip), *(photograph(strip, p, chosen, seed=0, epoch=0, index=0) for chosen in varied)]
        wrong = [c for c in made if (c.size, c.getpixel((100, 100))) != ((crop, crop), (200, 100, 50))]
        return len(wrong) + (ten_crops(strip, p).shape != (10, 3, crop, crop))

    # Processes of their own, so that the peak of another test hides nothing.
    usual, ended = (in_child(partial(crops, image), tmp_path) for image in (strip.resize((9, 9)), strip))
    assert (usual.code, usual.err, ended.code, ended.err) == (0, "", 0, "")
    assert ended.peak - usual.peak < 100e6  # the whole has up to 5.9 GB at 224, and 120 GB at 1024


def test_usual_pictures_are_resized_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def blank(p: Preprocessing, image: Image.Image, size: tuple[int, int], seen: object = None) -> Image.Image:
        return Image.new("RGB", size if seen is None else (1, 1))

    monkeypatch.setattr(Preprocessing, "scale", blank)
    crops = [2**i for i in range(4, 13)]
    for crop in crops:
        p = how().model_copy(update={"crop": crop, "resize": round(crop / 0.875)})
        for width, height in ((400, 300), (300, 400), (300, 900), (640, 360)):
            shown = p.window(Image.new("RGB", (width, height)), (0, 0, crop, crop))
            assert shown.size == (crop, crop), (crop, width, height)
