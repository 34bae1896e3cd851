"""Decoding at reduced scale: only JPEG and in training, near the full decode, and the same bits with any workers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cardinet.data.augmentations import Augmentation
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.augmenting import reduction
from cardinet.data.batches import evaluation_batches
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import full_size, load_picture
from cardinet.data.draws import Draws
from cardinet.data.source import Split, open_source
from data.pictures import MakePicture, noise
from data.streams import COLOUR, VARIED, take, train_batches
from data.varied import Chosen, together

LIMIT = 10**8
FILTERLESS = (COLOUR.model_copy(update={"antialias": False}), COLOUR.model_copy(update={"interpolation": "nearest"}))


def jpeg(width: int, height: int, **options: object) -> bytes:
    file = io.BytesIO()
    noise(width, height, seed=3).save(file, "JPEG", quality=92, **options)
    return file.getvalue()


@pytest.fixture
def large(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Class folders of two classes, 6 JPEG each, of 330 x 250 pixels and upright or not."""
    for number, name in enumerate(("ant", "bee")):
        for i in range(6):
            exif = Image.Exif()
            exif[0x0112] = 6 if i == 2 else 1
            make_picture(tmp_path / "train" / name / f"{i}.jpg", size=(330, 250), seed=10 * number + i, exif=exif)
            make_picture(tmp_path / "val" / name / f"{i}.jpg", size=(330, 250), seed=50 + 10 * number + i)
    return tmp_path


def opened(root: Path, split: str, *, draft: bool) -> Split:
    return open_source(str(root), DataSettings(draft=draft)).splits[split]


@pytest.mark.parametrize(("factor", "side"), [(1, 400), (2, 200), (3, 200), (4, 100), (7, 100), (8, 50), (100, 50)])
def test_a_jpeg_is_decoded_at_the_scale_that_the_factor_allows(factor: int, side: int) -> None:
    for data in (jpeg(400, 400), jpeg(400, 399), jpeg(399, 400)):
        image = load_picture(data, LIMIT, lambda size: factor)
        assert max(image.size) == side
    assert load_picture(jpeg(5, 3), LIMIT, lambda size: 3).size == (3, 2)


def test_only_jpeg_is_reduced_and_its_upright_size_counts() -> None:
    sizes: list[tuple[int, int]] = []
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = load_picture(jpeg(400, 300, exif=exif), LIMIT, lambda size: sizes.append(size) or 2)  # type: ignore[func-returns-value]
    assert (sizes, turned.size) == ([(300, 400)], (200, 150))
    file = io.BytesIO()
    noise(400, 300).save(file, "PNG")
    assert load_picture(file.getvalue(), LIMIT, lambda size: 8).size == (400, 300)


CHOICES: dict[str, Chosen] = {"resized": together(ResizedCrop()), "padded": together(PadCrop(pad=2)), "plain": {}}


@pytest.mark.parametrize("name", CHOICES)
def test_no_picture_is_enlarged_that_would_be_reduced(name: str) -> None:
    chosen: dict[str, Augmentation] = dict(CHOICES[name])
    found = []
    for sample in range(200):
        draws = Draws(1, 0, sample)
        width, height = 300 + 3 * sample, 280 + 5 * (sample % 7)
        factor = reduction((width, height), COLOUR, chosen, draws)
        found.append(factor)
        if name != "resized":
            assert factor == min(width, height) // 40
            continue
        ((_, _, h, w),) = ResizedCrop().boxes(draws, height, width)
        assert min(h, w) // factor >= 32
        ((_, _, h, w),) = ResizedCrop().boxes(draws, -(-height // factor), -(-width // factor))
        assert min(h, w) >= 31
    assert max(found) >= 7
    for unfiltered in FILTERLESS:  # they pick pixels, so other pixels would be another picture
        assert reduction((900, 900), unfiltered, chosen, Draws(1, 0, 0)) == 1


def test_training_sees_nearly_the_same_and_evaluation_exactly(large: Path) -> None:
    reduced, full = (take(train_batches(opened(large, "train", draft=d), COLOUR, VARIED), 2) for d in (True, False))
    for mine, whole in zip(reduced, full, strict=True):
        assert torch.equal(mine.labels, whole.labels)
        assert not torch.equal(mine.pixels, whole.pixels)
        # The pictures are noise, whose finest detail is all there is; photographs differ by less than a level.
        levels, apart = (
            float((mine.pixels - pixels).abs().mean()) * 0.2 * 255 for pixels in (whole.pixels, whole.pixels.roll(1, 0))
        )
        assert levels < 10.0 < 30.0 < apart
    splits = [opened(large, "validation", draft=draft) for draft in (True, False)]
    batches = [
        next(evaluation_batches(split, COLOUR, batch_size=12, workers=0, device="cpu")).pixels for split in splits
    ]
    assert torch.equal(*batches)
    assert np.array_equal(np.asarray(splits[0].picture(3)), np.asarray(splits[1].picture(3)))


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_a_crop_of_a_reduced_picture_shows_the_same_place(turned: int) -> None:
    """A slope of 0.5 levels for each pixel: a crop that began half a pixel beside would differ by more."""
    down, across = np.mgrid[0:392, 0:472]
    slope = np.stack([across * 0.5, down * 0.5, 255 - across * 0.5], axis=2).clip(0, 255).astype(np.uint8)
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = turned
    Image.fromarray(slope).save(file, "JPEG", quality=100, subsampling=0, exif=exif)
    apart, factors = [], []
    for sample in range(20):
        draws, crop = Draws(5, 0, sample), ResizedCrop(area=(0.3, 1.0))
        both = []
        for factor in (1, 2, 4):
            image = COLOUR.to_mode(load_picture(file.getvalue(), LIMIT, lambda size, factor=factor: factor))  # type: ignore[misc]
            factors.append(full_size(image)[1])
            both.append(np.asarray(crop.on_picture(image, COLOUR, draws)).astype(float))
        apart.append([np.abs(other - both[0])[1:-1, 1:-1].mean() for other in both[1:]])
    assert set(factors) == {1, 2, 4}
    assert np.max(np.mean(apart, axis=0)) < 0.25


def test_workers_and_a_later_start_give_the_same_bits(large: Path) -> None:
    split = opened(large, "train", draft=True)
    whole = take(train_batches(split, COLOUR, VARIED, batch_size=5), 5)
    workers = take(train_batches(split, COLOUR, VARIED, batch_size=5, workers=2), 5)
    later = take(train_batches(split, COLOUR, VARIED, batch_size=5), 2, start=3)
    for one, other in zip([*whole, *whole[3:]], [*workers, *later], strict=True):
        assert torch.equal(one.pixels, other.pixels)
