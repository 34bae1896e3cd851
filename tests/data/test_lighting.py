"""Colour lighting: the added colours against the formula in float64."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from scipy.stats import kstest, norm
from torchvision.transforms import functional

from cardinet.data.augmentations.lighting import Lighting
from cardinet.data.draws import Draws, normal
from cardinet.data.preprocessing import Preprocessing
from data.varied import in_memory, photograph, together

INPUT = Preprocessing(channels=3, crop=16, mean=(0.5,) * 3, std=(0.2,) * 3)
AXES = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
VALUES = np.array([0.2175, 0.0188, 0.0045])


def colours(std: float, index: np.ndarray) -> np.ndarray:
    """What fb.resnet.torch adds to pixels in [0, 1], (N, 3)."""
    weights = norm.ppf(Draws(3, 1, index).uniform_rows("Lighting.weights", 3), scale=std)
    return np.stack([(AXES * a[None, :] * VALUES[None, :]).sum(axis=1) for a in weights])


def test_pictures_get_the_formulas_colour() -> None:
    images = torch.randint(0, 256, (40, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    for std in (0.1, 3.0):  # the second one clips
        got = in_memory(images, INPUT, together(Lighting(std=std)), seed=3, epoch=1, index=np.arange(40))
        exact = images.double().numpy() / 255 + colours(std, np.arange(40))[:, :, None, None]
        assert np.abs(got.numpy() / 255 - exact.clip(0, 1)).max() <= 0.5 / 255 + 1e-9
        for i in range(40):
            image = photograph(
                functional.to_pil_image(images[i]), INPUT, together(Lighting(std=std)), seed=3, epoch=1, index=i
            )
            assert torch.equal(functional.pil_to_tensor(image), got[i])


def test_the_axes_are_orthonormal_and_the_weights_normal() -> None:
    assert np.abs(AXES.T @ AXES - np.eye(3)).max() < 2e-4  # four digits each
    assert kstest(normal(Draws(0, 0, np.arange(20000)).uniform("x")), "norm").pvalue > 0.001
    assert np.isfinite(normal(np.array([0.0, 1 - 2.0**-53]))).all()
    levels = Lighting().levels(Draws(0, 0, np.arange(20000)), 3) / 255
    expected = 0.1 * np.sqrt(((AXES * VALUES) ** 2).sum(axis=1))
    assert np.abs(levels.std(axis=0) / expected - 1).max() < 0.03


def test_a_grey_picture_gets_the_grey_value_of_the_colour() -> None:
    grey = Preprocessing(channels=1, crop=16, mean=(0.5,), std=(0.2,))
    expected = np.rint(255 * colours(0.1, np.arange(30)) @ [0.299, 0.587, 0.114])
    for i in range(30):
        image = photograph(Image.new("L", (16, 16), 100), grey, together(Lighting()), seed=3, epoch=1, index=i)
        assert image.getextrema() == (100 + expected[i],) * 2
    assert len(set(expected)) > 5
