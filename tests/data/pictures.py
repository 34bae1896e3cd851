"""Pictures made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

MakePicture = Callable[..., Path]


def noise(width: int, height: int, seed: int = 0, channels: int = 3) -> Image.Image:
    """A picture of smooth noise: neither flat nor so rough that every filter differs at once."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, channels), dtype=np.uint8)
    pixels = coarse[:, :, 0] if channels == 1 else coarse
    smooth = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(np.clip(smooth + rng.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8))
