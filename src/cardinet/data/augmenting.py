"""Apply augmentations in order, to one photograph in a worker or to a batch in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cardinet.data.augmentations import Augmentation, Framing

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws
    from cardinet.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Sized:
    """A preprocessing and the augmentations for pictures of its side."""

    preprocessing: Preprocessing
    augmentation: Mapping[str, Augmentation]

    def of_side(self, side: int, short: int) -> Sized:
        """Both for pictures whose side is `side`; see `Preprocessing.of_side` for `short`."""
        if side == self.preprocessing.crop:
            return self
        share = side / self.preprocessing.crop
        smaller = {name: part.scaled(share) for name, part in self.augmentation.items()}
        return Sized(self.preprocessing.of_side(side, short), smaller)


def in_order(augmentation: Mapping[str, Augmentation]) -> list[Augmentation]:
    """The augmentations that change anything, in the order in which they act, however they were written."""
    return sorted(
        (part for part in augmentation.values() if part.acts), key=lambda part: (part.PLACE, type(part).__name__)
    )


def reduction(
    size: tuple[int, int], preprocessing: Preprocessing, augmentation: Mapping[str, Augmentation], draws: Draws
) -> int:
    """The largest factor by which a picture of this (width, height) may be smaller for the draws of one sample."""
    parts = in_order(augmentation)
    if parts and isinstance(parts[0], Framing):
        return parts[0].reduction(size, preprocessing, draws)
    return preprocessing.reduction(size)


def augmented_picture(
    image: Image.Image, preprocessing: Preprocessing, augmentation: Mapping[str, Augmentation], draws: Draws
) -> Image.Image:
    """A decoded picture varied by the draws of one sample; (crop, crop) in the input's mode."""
    parts = in_order(augmentation)
    image = preprocessing.to_mode(image)
    if not parts or not isinstance(parts[0], Framing):
        image = preprocessing.fit(image)
    for part in parts:
        image = part.on_picture(image, preprocessing, draws)
    return image


def augmented_batch(batch: ArrayBatch, augmentation: Mapping[str, Augmentation], draws: Draws) -> torch.Tensor:
    """A batch in memory varied by the draws of its samples: uint8 (N, C, crop, crop), stored with the channels last."""
    for part in in_order(augmentation):
        part.on_batch(batch, draws)
    return batch.pixels
