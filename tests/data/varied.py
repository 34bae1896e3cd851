"""Augmentations applied by hand, to pictures in memory and to a photograph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from cardinet.data.arrays import ArrayPictures
from cardinet.data.augmentations import Augmentation
from cardinet.data.augmenting import augmented_batch, augmented_picture
from cardinet.data.draws import Draws
from cardinet.data.preprocessing import Preprocessing

Chosen = Mapping[str, Augmentation]


def together(*parts: Augmentation) -> Chosen:
    """As a recipe holds them."""
    return {type(part).__name__: part for part in parts}


def in_memory(
    images: torch.Tensor, preprocessing: Preprocessing, chosen: Chosen, *, seed: int, epoch: int, index: Any
) -> torch.Tensor:
    """Pictures of uint8 (N, C, H, W), at these indices."""
    batch = ArrayPictures(images, preprocessing, torch.device("cpu")).batch(np.asarray(index))
    return augmented_batch(batch, chosen, Draws(seed, epoch, index))


def photograph(
    image: Image.Image, preprocessing: Preprocessing, chosen: Chosen, *, seed: int, epoch: int, index: int
) -> Image.Image:
    """A decoded picture, as the sample of this index."""
    return augmented_picture(image, preprocessing, chosen, Draws(seed, epoch, index))
