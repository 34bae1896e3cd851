"""Augmentations: random variations of training pictures. Each is one class in one file of this folder."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Self

from cardinet.base.recipe_parts import RecipePart

if TYPE_CHECKING:
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws
    from cardinet.data.preprocessing import Preprocessing


class Place(IntEnum):
    """The order of the augmentations. Those with the same place act in the order of their names."""

    FRAME = 0
    MIRROR = 1
    OPERATIONS = 2
    COLOUR = 3
    LIGHTING = 4
    ERASE = 5


class Augmentation(RecipePart):
    """One way to vary a picture. Its file imports heavy libraries (torch, torchvision, NumPy, Pillow) inside methods.

    It acts on one picture in a worker and on a batch in memory with the same draws. Both give the same picture, except
    for rounding. A new augmentation uses its own names of draws, `draws.uniform("Class.what")`.
    """

    PLACE: ClassVar[Place]
    MIRRORS: ClassVar[bool] = False
    """Whether it mirrors pictures, which changes the meaning of some, such as digits."""

    @property
    def acts(self) -> bool:
        """Whether it changes pictures with these settings."""
        return True

    def scaled(self, share: float) -> Self:
        """The same augmentation for pictures whose side is `share` of the input's. What has pixels shrinks with it."""
        return self

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        """A picture in the input's mode (L or RGB) and size, varied by the draws of one sample."""
        raise NotImplementedError

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        """Vary each sample of a batch by its draws."""
        raise NotImplementedError

    def words(self) -> str:
        """What it does, as part of a sentence in the report: "mirrored with probability 0.5"."""
        raise NotImplementedError


class Framing(Augmentation):
    """An augmentation that chooses the crop: `on_picture` gets a picture of any size and returns (crop, crop).

    A recipe has at most one framing. Without one the central crop is used.
    """

    PLACE = Place.FRAME

    def reduction(self, size: tuple[int, int], preprocessing: Preprocessing, draws: Draws) -> int:
        """The largest factor by which a picture of this (width, height) may be smaller, so that none is enlarged."""
        return preprocessing.reduction(size)
