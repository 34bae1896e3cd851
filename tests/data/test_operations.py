"""The operations of RandAugment, TrivialAugment and AugMix: their bytes against torchvision's, one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import InterpolationMode, functional, v2

from cardinet.data.augmentations.aug_mix import AugMix
from cardinet.data.augmentations.rand_augment import RandAugment
from cardinet.data.augmentations.trivial_augment import TrivialAugment
from cardinet.data.operations import OPERATIONS, Look, Move, operate
from cardinet.data.random_operations import RandomOperations
from data.pictures import noise

KINDS: dict[str, tuple[type[RandomOperations], dict[str, Any]]] = {
    "RandAugment": (RandAugment, v2.RandAugment._AUGMENTATION_SPACE),
    "TrivialAugment": (TrivialAugment, v2.TrivialAugmentWide._AUGMENTATION_SPACE),
    "AugMix": (AugMix, v2.AugMix._AUGMENTATION_SPACE),
}
"""Ours and the operations and magnitudes of torchvision's."""
CASES = [(name, channels) for name in OPERATIONS for channels in (1, 3)]
SIZES = [(32, 32), (31, 40)]
BINS = 5


def strengths(name: str, side: int = 32) -> list[float]:
    """All magnitudes of an operation over the three augmentations, with both signs."""
    found = set()
    for kind, _ in KINDS.values():
        given = kind.RANGES[name]
        steps = given.steps(side, BINS).tolist()
        found |= {*steps, *(-step for step in steps if given.signed)}
    return sorted(found)


def pictures(size: tuple[int, int], channels: int) -> list[Image.Image]:
    """Smooth and rough ones, one of narrow range and one of a single colour."""
    narrow = noise(*size, seed=2, channels=channels).point(lambda value: 90 + value // 8)
    return [noise(*size, seed=1, channels=channels), narrow, Image.new("L" if channels == 1 else "RGB", size)]


def torchvisions(image: Any, name: str, magnitude: float, look: Look) -> torch.Tensor:
    """The pixels by torchvision's own operation on a picture or on a tensor."""
    theirs = v2.RandAugment()
    mode = InterpolationMode(look.interpolation)
    given = theirs._apply_image_or_video_transform(image, name, magnitude, mode, theirs._fill)
    pixels: torch.Tensor = given if isinstance(given, torch.Tensor) else functional.pil_to_tensor(given)
    return pixels


def pillows(image: Image.Image, name: str, magnitude: float, look: Look) -> torch.Tensor:
    operation = OPERATIONS[name]
    given = image if operation is None else operation.on_picture(image, magnitude, look)
    assert (given.mode, given.size) == (image.mode, image.size)
    pixels: torch.Tensor = functional.pil_to_tensor(given)
    return pixels


def on_batch(images: list[torch.Tensor], name: str, magnitudes: list[float], look: Look) -> torch.Tensor:
    which = np.zeros(len(images), dtype=np.int64)
    return operate(torch.stack(images), (name,), which, np.array(magnitudes), look)


def test_the_cases_counted() -> None:
    assert len(CASES) == 2 * len(OPERATIONS) == 30
    assert [len(strengths(name)) for name in ("Identity", "Posterize", "Solarize", "Sharpness")] == [1, 9, 5, 17]


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_picture_and_a_batch_have_the_bytes_of_torchvision_on_pictures(name: str, channels: int) -> None:
    look, magnitudes = Look("nearest", (0,) * channels), strengths(name)
    for size in SIZES:
        for image in pictures(size, channels):
            ours = [pillows(image, name, magnitude, look) for magnitude in magnitudes]
            for magnitude, got in zip(magnitudes, ours, strict=True):
                if name == "Posterize" and magnitude == 0:  # Pillow's own refuses it
                    assert not got.any()
                else:
                    assert torch.equal(got, torchvisions(image, name, magnitude, look)), magnitude
            same = [functional.pil_to_tensor(image)] * len(magnitudes)
            assert torch.equal(on_batch(same, name, magnitudes, look), torch.stack(ours))


MOST_APART = {"Contrast": 2, "Color": 1, "Sharpness": 1, "AutoContrast": 1}
"""By how many levels torchvision's operations on tensors differ: it rounds the grey values in another way."""


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_a_batch_is_near_to_torchvision_on_tensors(name: str, channels: int) -> None:
    look = Look("nearest", (0,) * channels)
    for image, magnitude in itertools.product(pictures((32, 32), channels), strengths(name)):
        pixels = functional.pil_to_tensor(image)
        got = on_batch([pixels], name, [magnitude], look)[0].int()
        apart = (got - torchvisions(pixels, name, magnitude, look).int()).abs()
        if name in ("ShearX", "ShearY", "Rotate"):  # a place between two pixels is rounded to the other one
            assert (apart > 0).float().mean() < 0.1, magnitude
        else:
            assert apart.max() <= MOST_APART.get(name, 0), magnitude


MOVES = [name for name, operation in OPERATIONS.items() if isinstance(operation, Move)]


@pytest.mark.parametrize("name", MOVES)
def test_bilinear_moves_are_those_of_torchvision_on_pictures(name: str) -> None:
    """Their matrices differ in the last bit, which turns a value just below a whole number into the next level."""
    assert len(MOVES) == 5
    look = Look("bilinear", (0, 0, 0))
    for size in SIZES:
        image, magnitudes = pictures(size, 3)[0], strengths(name)
        ours = torch.stack([pillows(image, name, magnitude, look) for magnitude in magnitudes])
        theirs = torch.stack([torchvisions(image, name, magnitude, look) for magnitude in magnitudes])
        assert (ours.int() - theirs.int()).abs().max() <= 1
        assert torch.equal(on_batch([functional.pil_to_tensor(image)] * len(magnitudes), name, magnitudes, look), ours)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("colour", [(10, 20, 30), (200,)])
def test_the_outside_has_the_colour(interpolation: Any, colour: tuple[int, ...]) -> None:
    look, white = Look(interpolation, colour), Image.new("L" if len(colour) == 1 else "RGB", (8, 8), "white")
    got = pillows(white, "TranslateX", 3, look)
    assert torch.equal(got[:, :, :3], torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(-1, 8, 3))
    assert (got[:, :, 3:] == 255).all()
    assert torch.equal(on_batch([functional.pil_to_tensor(white)], "TranslateX", [3], look)[0], got)


def test_each_sample_of_a_batch_has_its_own_operation() -> None:
    names, look = tuple(OPERATIONS), Look("nearest", (0, 0, 0))
    images = [functional.pil_to_tensor(noise(20, 20, seed)) for seed in range(60)]
    which = np.array([*range(-1, len(names)), *range(-1, 60 - len(names) - 2)])[:60] % (len(names) + 1) - 1
    magnitudes = np.array([strengths(names[i], 20)[n % 9 % len(strengths(names[i], 20))] for n, i in enumerate(which)])
    got = operate(torch.stack(images), names, which, magnitudes, look)
    assert set(which) == set(range(-1, len(names)))
    for pixels, ours, i, magnitude in zip(images, got, which.tolist(), magnitudes.tolist(), strict=True):
        image = functional.to_pil_image(pixels)
        assert torch.equal(ours, pixels if i < 0 else pillows(image, names[i], magnitude, look))


@pytest.mark.parametrize("name", KINDS)
def test_operations_magnitudes_and_signs_are_torchvisions(name: str) -> None:
    kind, theirs = KINDS[name]
    assert set(kind().names) == set(theirs)
    for side, bins in itertools.product((28, 32, 96, 224), (10, 11, 31)):
        for operation, (magnitudes, signed) in theirs.items():
            given, expected = kind.RANGES[operation], magnitudes(bins, side, side)
            ours: NDArray[np.float64] = given.steps(side, bins)
            assert given.signed == signed
            if expected is None:
                assert not ours.any()
            else:
                assert ours.tolist() == expected.tolist()
