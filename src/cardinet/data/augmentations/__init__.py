"""Augmentations: how training pictures are varied. Each is one class in one file of this folder."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from cardinet.base.parts import Part

if TYPE_CHECKING:
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws
    from cardinet.data.preprocessing import Preprocessing


class Place(IntEnum):
    """When an augmentation acts; those of one place act in the order of their names."""

    FRAME = 0
    MIRROR = 1
    COLOUR = 2
    ERASE = 3


class Augmentation(Part):
    """One way to vary a picture. Its file imports what computes (torch, torchvision, NumPy, Pillow) in its methods.

    It acts on one picture in a worker and on a batch in memory, by the same draws: both give the same picture, up to
    the rounding of the operations. A new one takes draws of its own names, `draws.uniform("Class.what")`.
    """

    PLACE: ClassVar[Place]
    MIRRORS: ClassVar[bool] = False
    """Whether it shows mirror images, which change what some pictures mean, such as those of digits."""

    @property
    def acts(self) -> bool:
        """Whether it changes anything with these settings."""
        return True

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        """A picture in the input's mode (L or RGB) and size, varied by the draws of one sample."""
        raise NotImplementedError

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        """Vary each sample of a batch by its draws."""
        raise NotImplementedError

    def words(self) -> str:
        """What it does, for a sentence of the report: "mirrored with probability 0.5"."""
        raise NotImplementedError


class Framing(Augmentation):
    """What chooses the part of a picture that is shown: `on_picture` gets one of any size and returns (crop, crop).

    At most one framing acts; without one the picture is cropped at its centre.
    """

    PLACE = Place.FRAME
