"""Random erasing: the rectangles against torchvision's, and what is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import chisquare, ks_2samp
from torchvision.transforms import functional, v2

from cardinet.data.augmentations.random_erasing import RandomErasing
from cardinet.data.boxes import Box
from cardinet.data.draws import Draws, noise
from cardinet.data.preprocessing import Preprocessing
from data.varied import in_memory, photograph, together

SIDE = 32
COLOUR = Preprocessing(channels=3, crop=SIDE, mean=(0.5, 0.25, 0.75), std=(0.2,) * 3)
GREY = Preprocessing(channels=1, crop=SIDE, mean=(0.4,), std=(0.2,))


def boxes(part: RandomErasing, count: int) -> dict[int, Box]:
    """The rectangles of the samples that get one."""
    return {sample: box for sample, box, _ in part.erased(Draws(6, 0, np.arange(count)), COLOUR)}


@pytest.mark.parametrize(
    ("scale", "ratio"), [((0.02, 0.33), (0.3, 3.3)), ((0.2, 0.9), (0.2, 1.0)), ((0.7, 1.0), (0.8, 3.0))]
)
def test_rectangles_are_distributed_as_torchvisions(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    count, image = 3000, torch.zeros(3, SIDE, SIDE)
    found = boxes(RandomErasing(probability=1, scale=scale, ratio=ratio), count)
    theirs = v2.RandomErasing(p=1, scale=scale, ratio=ratio)
    torch.manual_seed(0)
    drawn = [theirs.make_params([image]) for _ in range(count)]
    given = np.array([[p[k] for k in "ijhw"] for p in drawn if p["v"] is not None])
    ours = np.array(list(found.values()))
    assert scale != (0.7, 1.0) or len(ours) < 0.9 * count  # the others fit in none of ten tries
    assert abs(len(ours) - len(given)) < 3.3 * np.sqrt(count * 0.25 * 2)
    for column in range(4):
        assert ks_2samp(ours[:, column], given[:, column]).pvalue > 0.001


def test_as_many_pictures_as_asked_for_get_one() -> None:
    assert abs(len(boxes(RandomErasing(probability=0.25), 8000)) - 2000) < 130  # 3.3 standard deviations
    assert boxes(RandomErasing(probability=1, scale=(1, 1), ratio=(1, 1)), 50) == {}  # not the whole picture


@pytest.mark.parametrize("preprocessing", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize(("value", "expected"), [("mean", None), (7, 7), (255, 255), ("noise", None)])
def test_what_is_in_the_rectangle_and_around_it(preprocessing: Preprocessing, value: Any, expected: int | None) -> None:
    channels, part = preprocessing.channels, RandomErasing(value=value, probability=0.8)
    images = torch.randint(0, 256, (20, channels, SIDE, SIDE), generator=torch.Generator().manual_seed(1)).byte()
    got = in_memory(images, preprocessing, together(part), seed=6, epoch=0, index=np.arange(20))
    found = boxes(part, 20)
    assert 8 < len(found) < 20
    for i in range(20):
        alone = photograph(functional.to_pil_image(images[i]), preprocessing, together(part), seed=6, epoch=0, index=i)
        assert torch.equal(functional.pil_to_tensor(alone), got[i])
        if i not in found:
            assert torch.equal(got[i], images[i])
            continue
        top, left, height, width = found[i]
        inside = got[i][:, top : top + height, left : left + width]
        if value == "noise":
            assert len(inside.unique()) > min(50, inside.numel() // 4)
        else:
            colour = [expected] * channels if expected is not None else list(preprocessing.mean_pixel)
            assert torch.equal(inside, torch.tensor(colour).byte()[:, None, None].expand(inside.shape))
        restored = got[i].clone()
        restored[:, top : top + height, left : left + width] = images[i][:, top : top + height, left : left + width]
        assert torch.equal(restored, images[i])


def test_the_mean_is_torchvisions_zero_after_normalisation() -> None:
    black = torch.tensor(COLOUR.mean_pixel).byte()[None, :, None, None]
    assert COLOUR.normalise(black).abs().max() <= 0.5 / 255 / 0.2 + 1e-6


def test_noise_is_uniform_and_a_function_of_its_draw() -> None:
    first = noise(0.3, 100_000)
    assert chisquare(np.bincount(first, minlength=256)).pvalue > 0.001
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.012
    assert np.array_equal(noise(0.3, 13), first[:13])
    assert (noise(0.3 + 1e-12, 1000) == first[:1000]).mean() < 0.02


def test_a_picture_of_the_caller_stays_as_it_is() -> None:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    got = RandomErasing(probability=1, value=0).on_picture(image, COLOUR, Draws(6, 0, 3))
    assert set(image.get_flattened_data() if hasattr(image, "get_flattened_data") else image.getdata()) == {(255,) * 3}
    assert np.asarray(got).min() == 0
