"""The random choices of the augmentation, drawn as parameters: a function of (seed, epoch, sample index) alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.base.randomness import uniforms
from cardinet.data.settings import AugmentationSettings

Uniforms = npt.NDArray[np.float64]

# Which of a sample's draws decides what. The numbers are part of every recorded run: add at the end, never move.
TOP, LEFT, FLIP, ORDER, BRIGHTNESS, CONTRAST, SATURATION, HUE = range(8)
TRIES = 8
MOST_TRIES = 10
COUNT = TRIES + 2 * MOST_TRIES

JITTERS = ("brightness", "contrast", "saturation", "hue")
ORDERS = tuple(itertools.permutations(range(len(JITTERS))))


def draw(settings: AugmentationSettings, seed: int, epoch: int, index: npt.ArrayLike) -> Uniforms:
    """The uniform draws of each sample, (len(index), n); as many as the settings use."""
    return uniforms(seed, epoch, index, COUNT if settings.resized_crop is not None else TRIES)


def whole_number(u: npt.ArrayLike, count: int) -> npt.NDArray[np.int64]:
    """Uniform over 0 .. count - 1."""
    return np.asarray(np.floor(np.asarray(u) * count), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Jitter:
    """Colour factors of each sample by name, (N,) each, and the order in which they apply, (N, 4)."""

    factors: dict[str, Uniforms]
    order: npt.NDArray[np.int64]


def jitter(settings: AugmentationSettings, u: Uniforms) -> Jitter:
    """ColorJitter's parameters: factors uniform in [max(0, 1 - s), 1 + s], the hue's shift in [-s, s]."""
    factors = {}
    for name, column in zip(JITTERS, (BRIGHTNESS, CONTRAST, SATURATION, HUE), strict=True):
        strength = float(getattr(settings, name))
        if strength == 0:
            continue
        low, high = (-strength, strength) if name == "hue" else (max(0.0, 1 - strength), 1 + strength)
        factors[name] = low + (high - low) * u[:, column]
    return Jitter(factors, np.array(ORDERS)[whole_number(u[:, ORDER], len(ORDERS))])


def crop_box(settings: AugmentationSettings, u: Uniforms, height: int, width: int) -> tuple[int, int, int, int]:
    """(top, left, height, width) of one sample's resized crop, from its draws `u` (n,).

    The distribution of torchvision's RandomResizedCrop: ten tries of an area share and a log-uniform aspect
    ratio, a uniform place for the first that fits, else the largest central crop with an allowed ratio.
    """
    assert settings.resized_crop is not None
    low, high = settings.resized_crop
    log_low, log_high = (math.log(ratio) for ratio in settings.ratio)
    for k in range(MOST_TRIES):
        area_draw, ratio_draw = u[TRIES + 2 * k], u[TRIES + 2 * k + 1]
        area = height * width * (low + (high - low) * area_draw)
        ratio = math.exp(log_low + (log_high - log_low) * ratio_draw)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = int(whole_number(u[TOP], height - h + 1))
            left = int(whole_number(u[LEFT], width - w + 1))
            return top, left, h, w
    return central_box(settings.ratio, height, width)


def central_box(ratio: tuple[float, float], height: int, width: int) -> tuple[int, int, int, int]:
    """The largest central crop whose aspect ratio (width / height) lies in the range."""
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w
