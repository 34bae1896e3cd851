"""Only what a crop shows is resized of a long strip; of every other picture the pixels are those of the whole."""

from __future__ import annotations

import resource
from typing import Literal

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from cardinet.data import preprocessing as module
from cardinet.data.photographs import augmented
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.settings import AugmentationSettings
from cardinet.evaluate.ten_crop import ten_crops

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
    whole = {k: np.asarray(how(k).fit(image)).astype(int) for k in ("bilinear", "bicubic")}
    monkeypatch.setattr(module, "WHOLE", 0)
    monkeypatch.setattr(module, "MANY_CROPS", 0)
    for kind, pixels in whole.items():
        assert np.abs(np.asarray(how(kind).fit(image)).astype(int) - pixels).max() <= 1, kind


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1)])
def test_a_strip_takes_little_memory(size: tuple[int, int]) -> None:
    strip, p = (
        Image.new("RGB", size, (200, 100, 50)),
        Preprocessing(channels=3, resize=256, crop=224, mean=(0.5,) * 3, std=(0.5,) * 3),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    crops = [p.fit(strip), augmented(strip, p, AugmentationSettings(pad=4, flip=0.5), seed=0, epoch=0, index=0)]
    crops.append(augmented(strip, p, AugmentationSettings(flip=0.5), seed=0, epoch=0, index=0))
    for crop in crops:
        assert (crop.size, crop.getpixel((100, 100))) == ((224, 224), (200, 100, 50))
    assert ten_crops(strip, p).shape == (10, 3, 224, 224)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes; the whole has 5.9 GB
