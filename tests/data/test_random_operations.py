"""What RandAugment, TrivialAugment and AugMix draw, against the draws of torchvision's."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import chi2, ks_2samp, norm
from torchvision.transforms import functional, v2

from cardinet.data.augmentations.aug_mix import AugMix
from cardinet.data.augmentations.rand_augment import RandAugment
from cardinet.data.augmentations.trivial_augment import TrivialAugment
from cardinet.data.draws import Draws
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.random_operations import RandomOperations, _magnitudes
from data.pictures import noise
from data.varied import in_memory, photograph, together

Drawn = tuple[str, float]
"""An operation and its magnitude."""

INPUT = Preprocessing(channels=3, crop=24, mean=(0.5, 0.25, 0.75), std=(0.2,) * 3)
COUNT = 6000


def theirs(transform: Any, monkeypatch: pytest.MonkeyPatch, count: int) -> list[list[Drawn]]:
    """What torchvision's transform draws for each of some pictures of 24 pixels; nothing is done to them."""
    found: list[list[Drawn]] = []

    def note(image: Any, name: str, magnitude: float, **_: Any) -> Any:
        found[-1].append((name, round(magnitude, 4) + 0.0))
        return image

    monkeypatch.setattr(transform, "_apply_image_or_video_transform", note)
    torch.manual_seed(0)
    image = torch.zeros(3, 24, 24, dtype=torch.uint8)
    for _ in range(count):
        found.append([])
        transform(image)
    return found


def ours(part: RandomOperations, count: int) -> list[list[Drawn]]:
    chosen, magnitudes = part.drawn(Draws(4, 1, np.arange(count)), 24)
    return [
        [(part.names[i], round(m, 4) + 0.0) for i, m in zip(*pair, strict=True) if i >= 0]
        for pair in zip(chosen.tolist(), magnitudes.tolist(), strict=True)
    ]


def are_alike(first: Counter[Any], second: Counter[Any]) -> bool:
    """Whether two samples may come from one distribution: chi-square of a table of two rows, at 0.001."""
    cells = sorted({*first, *second}, key=str)
    table = np.array([[sample[cell] for cell in cells] for sample in (first, second)], dtype=float)
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    assert expected.min() > 5  # else chi-square says little
    return bool(((table - expected) ** 2 / expected).sum() < chi2.ppf(0.999, len(cells) - 1))


def test_the_comparison_sees_a_difference() -> None:
    even = Counter({"a": 1000, "b": 1000})
    assert are_alike(even, Counter({"a": 1010, "b": 990}))
    assert not are_alike(even, Counter({"a": 1150, "b": 850}))


def test_rand_augment_draws_as_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ours(RandAugment(num_ops=2, magnitude=9), COUNT)
    given = theirs(v2.RandAugment(num_ops=2, magnitude=9), monkeypatch, COUNT)
    for place in (0, 1):
        one, other = (Counter(drawn[place] for drawn in sample) for sample in (made, given))
        assert len(one) == 5 + 2 * 9  # nine operations have a sign
        assert are_alike(one, other)
    assert are_alike(*(Counter((a, b) for (a, _), (b, _) in sample) for sample in (made, given)))  # independent


def test_a_magnitude_that_varies_and_operations_that_are_left_out() -> None:
    part = RandAugment(num_ops=2, magnitude=21, magnitude_std=1.5, probability=0.5, operations=("TranslateX",))
    draws = Draws(4, 1, np.arange(COUNT))
    chosen, magnitudes = part.drawn(draws, 24)
    assert are_alike(Counter((chosen >= 0).sum(1).tolist()), Counter({0: COUNT // 4, 1: COUNT // 2, 2: COUNT // 4}))
    steps = part.RANGES["TranslateX"].steps(24, 31)
    found = np.abs(np.abs(magnitudes).ravel()[:, None] - steps).argmin(1)
    expected = np.diff(norm.cdf(np.arange(17.5, 26), 21, 1.5)) * found.size
    seen = np.bincount(found, minlength=31)[18:26]
    assert ((seen - expected) ** 2 / expected).sum() < chi2.ppf(0.999, 8)
    wide = part.model_copy(update={"magnitude_std": 40.0}).drawn(draws, 24)[1]
    assert (np.abs(wide).min(), np.abs(wide).max()) == (0, steps[-1])  # within the range
    plain = part.model_copy(update={"magnitude_std": 0.0, "probability": 1.0}).drawn(draws, 24)
    assert np.array_equal(plain[0], np.zeros((COUNT, 2)))
    assert np.array_equal(np.sign(plain[1]), np.sign(magnitudes))  # the new draws shift no other


def test_trivial_augment_draws_as_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ours(TrivialAugment(num_magnitude_bins=7), COUNT)
    given = theirs(v2.TrivialAugmentWide(num_magnitude_bins=7), monkeypatch, COUNT)
    one, other = (Counter(drawn for (drawn,) in sample) for sample in (made, given))
    assert len(one) == 3 + 9 * 13 + 2 * 7
    assert are_alike(one, other)


def test_aug_mix_draws_as_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    made, given = ours(AugMix(severity=3), 2500), theirs(v2.AugMix(severity=3), monkeypatch, 2500)
    one, other = (Counter(drawn for chain in sample for drawn in chain) for sample in (made, given))
    assert len(one) == 1 + 1 + 2 + 3 + 9 * 5  # AutoContrast, Equalize, Posterize, Solarize, those with a sign
    assert are_alike(one, other)
    assert are_alike(*(Counter(len(chain) for chain in sample) for sample in (made, given)))  # 3 to 9 operations


@pytest.mark.parametrize("alpha", [0.3, 1.0, 5.0])
def test_aug_mix_weighs_as_torchvision(alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = AugMix(alpha=alpha, mixture_width=3).weights(Draws(8, 0, np.arange(3000)))
    assert np.abs(weights.sum(1) - 1).max() < 1e-6
    assert weights.min() >= 0
    torch.manual_seed(1)
    theirs = v2.AugMix(alpha=alpha)
    m = theirs._sample_dirichlet(torch.full((3000, 2), alpha))
    chains = theirs._sample_dirichlet(torch.full((3000, 3), alpha)) * m[:, 1:]
    expected = torch.cat([m[:, :1], chains], dim=1).numpy()
    for column in range(4):
        assert ks_2samp(weights[:, column], expected[:, column]).pvalue > 0.001


def by_torchvision(image: Image.Image, drawn: list[Drawn]) -> NDArray[np.float64]:
    transform = v2.RandAugment()
    for name, magnitude in drawn:
        way, fill = transform.interpolation, transform._fill
        image = transform._apply_image_or_video_transform(image, name, magnitude, way, fill)
    pixels: NDArray[np.float64] = functional.pil_to_tensor(image).double().numpy()
    return pixels


def exactly(part: RandomOperations, index: int) -> list[Drawn]:
    """The draws of one sample, unrounded; "" beyond the end of a chain."""
    chosen, magnitudes = part.drawn(Draws(5, 2, [index]), 24)
    names = ["" if i < 0 else part.names[i] for i in chosen[0].tolist()]
    return list(zip(names, magnitudes[0].tolist(), strict=True))


PARTS = [RandAugment(num_ops=3, magnitude=20), TrivialAugment(operations=("Invert", "ShearX", "Equalize"))]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_a_picture_is_what_torchvision_makes_of_the_draws(part: RandomOperations) -> None:
    images = [noise(24, 24, seed) for seed in range(30)]
    pixels = torch.stack([functional.pil_to_tensor(image) for image in images])
    together_ = in_memory(pixels, INPUT, together(part), seed=5, epoch=2, index=np.arange(30))
    for i, image in enumerate(images):
        expected = by_torchvision(image, exactly(part, i))
        got = photograph(image, INPUT, together(part), seed=5, epoch=2, index=i)
        assert np.array_equal(functional.pil_to_tensor(got).numpy(), expected)
        assert torch.equal(together_[i], functional.pil_to_tensor(got))


def test_aug_mix_is_the_rounded_mixture_of_its_chains() -> None:
    part = AugMix(interpolation="nearest", mixture_width=2)
    weights = part.weights(Draws(5, 2, np.arange(12))).astype(np.float64)
    for i, image in enumerate(noise(24, 24, seed) for seed in range(12)):
        drawn = exactly(part, i)  # the first of both chains, the second of both, the third of both
        chains = [[drawn for drawn in drawn[chain::2] if drawn[0]] for chain in (0, 1)]
        versions = [by_torchvision(image, []), *(by_torchvision(image, chain) for chain in chains)]
        mixed = sum(weight * version for weight, version in zip(weights[i], versions, strict=True))
        got = photograph(image, INPUT, together(part), seed=5, epoch=2, index=i)
        assert np.abs(functional.pil_to_tensor(got).numpy() - mixed).max() < 0.5 + 1e-3


@pytest.mark.parametrize("part", [RandAugment(), TrivialAugment(), AugMix()], ids=lambda part: type(part).__name__)
def test_the_outside_may_have_the_mean_colour(part: RandomOperations) -> None:
    white = Image.new("RGB", (24, 24), "white")
    change = {"operations": ("TranslateX",), "fill": "mean"}
    changed = part.model_copy(update=change)
    look = changed.look(INPUT)
    assert look.colour == (128, 64, 191) == INPUT.mean_pixel
    assert part.look(INPUT).colour == (0, 0, 0)
    seen = {photograph(white, INPUT, together(changed), seed=0, epoch=0, index=i).getpixel((0, 9)) for i in range(20)}
    if not isinstance(part, AugMix):
        assert seen == {(255, 255, 255), (128, 64, 191)}


@pytest.mark.parametrize("part", [RandAugment(), TrivialAugment(), AugMix()], ids=lambda part: type(part).__name__)
def test_the_default_type_of_torch_changes_nothing(part: RandomOperations) -> None:
    pixels = torch.stack([functional.pil_to_tensor(noise(24, 24, seed)) for seed in range(30)])
    usual = in_memory(pixels, INPUT, together(part), seed=5, epoch=2, index=np.arange(30))
    _magnitudes.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(in_memory(pixels, INPUT, together(part), seed=5, epoch=2, index=np.arange(30)), usual)
    finally:
        torch.set_default_dtype(torch.float32)
