"""Augmentation: the draws' distribution, and the applied result against a naive loop over torchvision's functions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import RandomResizedCrop, functional

from cardinet.data.arrays import ArrayPictures
from cardinet.data.augmentations.color_jitter import COLOURS, ColorJitter, adjusted
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.resized_crop import ResizedCrop, central_box
from cardinet.data.draws import Draws, whole_number
from cardinet.data.preprocessing import Preprocessing
from data.pictures import noise
from data.varied import in_memory, photograph, together

MEAN, STD = (0.5, 0.25, 0.75), (0.2, 0.2, 0.2)
CPU = torch.device("cpu")


def pictures(count: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def as_image(pixels: torch.Tensor) -> Image.Image:
    image: Image.Image = functional.to_pil_image(pixels)
    return image


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 10**4), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_draw_does_not_depend_on_its_batch(seed: int, epoch: int, index: list[int]) -> None:
    whole, alone = Draws(seed, epoch, index), [Draws(seed, epoch, i) for i in index]
    rows = whole.uniform_rows("a", 3)
    assert rows.shape == (len(index), 3)
    assert np.array_equal(rows, np.concatenate([draws.uniform_rows("a", 3) for draws in alone]))
    assert np.array_equal(rows[:, :2], whole.uniform_rows("a", 2))
    assert np.array_equal(rows[:, 0], whole.uniform("a"))
    assert not (rows == whole.uniform_rows("b", 3)).any()


def ks_distance(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    values = np.sort(np.concatenate([a, b]))
    shares = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


@pytest.mark.parametrize(("height", "width"), [(60, 80), (200, 30), (32, 32)])
def test_resized_crops_are_distributed_as_torchvisions(height: int, width: int) -> None:
    count = 6000
    ours = np.array(list(ResizedCrop(area=(0.08, 1.0)).boxes(Draws(5, 0, np.arange(count)), height, width)))
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = np.array(
        [RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]  # (i, j, h, w)
    )
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()
    # The 0.001 quantile of the two-sample Kolmogorov-Smirnov statistic at 6,000 against 6,000 is 0.0356.
    for column in range(4):
        assert ks_distance(ours[:, column], theirs[:, column]) < 0.0356


@pytest.mark.parametrize(("height", "width"), [(100, 10), (10, 100), (50, 50)])
def test_the_fallback_is_torchvisions(height: int, width: int) -> None:
    ratio = (0.9, 1.1)
    expected = RandomResizedCrop.get_params(torch.empty(3, height, width), [4.0, 4.0], list(ratio))
    assert central_box(ratio, height, width) == tuple(expected)


def test_flips_and_offsets_are_uniform() -> None:
    draws = Draws(1, 2, np.arange(20000))
    assert abs(Flip().mirrored(draws).mean() - 0.5) < 0.012
    down, across = PadCrop(pad=4).corner(draws).T
    counts = np.bincount(whole_number(down, 9), minlength=9)
    assert len(counts) == 9
    assert ((counts - 20000 / 9) ** 2 / (20000 / 9)).sum() < 26.1  # chi-square, 8 degrees, 0.001
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.03


def naive_pad_crop(pixels: torch.Tensor, chosen: PadCrop, crop: int, u: Any, *, mirrored: bool) -> torch.Tensor:
    """One picture by torchvision's pad and crop."""
    pad = [chosen.pad] * 4
    if chosen.pad_mode == "reflect":
        padded = functional.pad(pixels, pad, padding_mode="reflect")
    else:
        colours = [round(255 * m) for m in MEAN] if chosen.pad_mode == "mean" else [0, 0, 0]
        padded = torch.stack([functional.pad(c[None], pad, fill=v)[0] for c, v in zip(pixels, colours, strict=True)])
    top, left = (math.floor(v * (side - crop + 1)) for v, side in zip(u, padded.shape[1:], strict=True))
    cut = functional.crop(padded, top, left, crop, crop)
    found: torch.Tensor = functional.hflip(cut) if mirrored else cut
    return found


PAD_CASES = [
    (mode, pad, size) for mode in ("zero", "mean", "reflect") for pad in (1, 4) for size in ((32, 32), (40, 36))
]


def test_the_pad_cases_are_all_there() -> None:
    assert len(PAD_CASES) == 12


@pytest.mark.parametrize(("mode", "pad", "size"), PAD_CASES)
def test_pad_crop_and_flip_equal_the_naive_loop(mode: Any, pad: int, size: tuple[int, int]) -> None:
    crop, flip = PadCrop(pad=pad, pad_mode=mode), Flip(probability=0.5)
    chosen = together(crop, flip)
    preprocessing = Preprocessing(channels=3, crop=32, mean=MEAN, std=STD)
    images = pictures(20, *size)
    index = np.array([3, 19, 0, 7, 7, 12])
    got = in_memory(images, preprocessing, chosen, seed=9, epoch=4, index=index)
    assert got.is_contiguous(memory_format=torch.channels_last)
    corner, mirrored = crop.corner(Draws(9, 4, index)), flip.mirrored(Draws(9, 4, index))
    assert len(set(mirrored.tolist())) == 2
    for place, i in enumerate(index):
        expected = naive_pad_crop(images[i], crop, 32, corner[place], mirrored=bool(mirrored[place]))
        assert torch.equal(got[place], expected)
        image = photograph(as_image(images[i]), preprocessing, chosen, seed=9, epoch=4, index=int(i))
        assert torch.equal(got[place], functional.pil_to_tensor(image))


def test_without_settings_training_sees_what_evaluation_sees() -> None:
    preprocessing = Preprocessing(channels=3, resize=24, crop=20, mean=MEAN, std=STD)
    images = pictures(4, 32, 30)
    arrays = ArrayPictures(images, preprocessing, CPU)
    expected = torch.stack([preprocessing.picture(as_image(image)) for image in images])
    assert torch.equal(arrays.batch(np.arange(4)).pixels, expected)
    assert torch.equal(in_memory(images, preprocessing, {}, seed=0, epoch=0, index=np.arange(4)), expected)
    for i in range(4):
        image = photograph(as_image(images[i]), preprocessing, {}, seed=0, epoch=0, index=i)
        assert torch.equal(functional.pil_to_tensor(image), expected[i])


@pytest.mark.parametrize(("have", "want"), [(1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("crop", [8, 24])
def test_channels_are_brought_to_the_inputs(have: int, want: int, crop: int) -> None:
    preprocessing = Preprocessing(channels=want, crop=crop, mean=(0.5,) * want, std=(0.5,) * want)
    images = pictures(3, 16, 12, have)
    got = ArrayPictures(images, preprocessing, CPU).batch(np.arange(3)).pixels
    for i in range(3):
        assert torch.equal(got[i], preprocessing.picture(as_image(images[i])))


def test_a_photographs_resized_crop_equals_torchvisions() -> None:
    crop, flip = ResizedCrop(area=(0.2, 0.9)), Flip(probability=0.5)
    preprocessing = Preprocessing(channels=3, resize=256, crop=48, mean=MEAN, std=STD)
    flipped = 0
    for i in range(12):
        image = noise(90 + i, 70, seed=i)
        (box,) = crop.boxes(Draws(3, 1, i), 70, 90 + i)
        expected = functional.resized_crop(image, *box, [48, 48])
        if flip.mirrored(Draws(3, 1, i))[0]:
            expected, flipped = functional.hflip(expected), flipped + 1
        got = photograph(image, preprocessing, together(flip, crop), seed=3, epoch=1, index=i)
        assert got.tobytes() == expected.tobytes()
    assert 0 < flipped < 12


def test_resized_crops_in_memory_are_near_the_photographs() -> None:
    chosen = together(ResizedCrop(area=(0.3, 1.0)), Flip(probability=0.5))
    preprocessing = Preprocessing(channels=3, crop=32, mean=MEAN, std=STD)
    images = torch.stack([functional.pil_to_tensor(noise(32, 32, seed)) for seed in range(8)])
    got = in_memory(images, preprocessing, chosen, seed=1, epoch=1, index=np.arange(8))
    for i in range(8):
        image = photograph(as_image(images[i]), preprocessing, chosen, seed=1, epoch=1, index=i)
        assert (got[i].int() - functional.pil_to_tensor(image).int()).abs().max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", COLOURS)
def test_each_jitter_equals_torchvisions(name: str, channels: int) -> None:
    images = pictures(6, 9, 11, channels)
    factors = torch.linspace(-0.4, 0.4, 6) if name == "hue" else torch.linspace(0, 2, 6)
    got = adjusted(images, name, factors)
    for image, factor, ours in zip(images, factors, got, strict=True):
        expected = getattr(functional, f"adjust_{name}")(image, float(factor))
        assert (ours.int() - expected.int()).abs().max() <= 1  # the last bit may round apart
        assert (ours != expected).float().mean() < 0.02


def test_jitter_applies_each_samples_factors_in_its_order() -> None:
    jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    chosen = together(jitter)
    preprocessing = Preprocessing(channels=3, crop=12, mean=MEAN, std=STD)
    images = pictures(40, 12, 12)
    got = in_memory(images, preprocessing, chosen, seed=2, epoch=3, index=np.arange(40))
    draws = Draws(2, 3, np.arange(40))
    orders, factors = jitter.order(draws), jitter.factors(draws)
    assert len({tuple(order) for order in orders}) > 12
    for i in range(40):
        expected = images[i]
        for number in orders[i]:
            name = COLOURS[number]
            expected = getattr(functional, f"adjust_{name}")(expected, float(factors[name][i]))
        assert (got[i].int() - expected.int()).abs().float().mean() < 0.1
        image = photograph(as_image(images[i]), preprocessing, chosen, seed=2, epoch=3, index=i)
        # Pillow rounds after each step where torch cuts; the hue of dark grey pixels may jump.
        assert (got[i].int() - functional.pil_to_tensor(image).int()).abs().float().mean() < 3


def test_jitter_factors_lie_in_torchvisions_ranges() -> None:
    chosen, draws = ColorJitter(brightness=0.4, contrast=1.5, hue=0.1), Draws(0, 0, np.arange(5000))
    factors = chosen.factors(draws)
    assert set(factors) == {"brightness", "contrast", "hue"}
    for name, low, high in (("brightness", 0.6, 1.4), ("contrast", 0.0, 2.5), ("hue", -0.1, 0.1)):
        values = factors[name]
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() < high
    assert set(map(tuple, chosen.order(draws))) == set(itertools.permutations(range(4)))
