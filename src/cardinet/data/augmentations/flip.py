"""Mirror images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from cardinet.data.augmentations import Augmentation, Place

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws
    from cardinet.data.preprocessing import Preprocessing


class Flip(Augmentation):
    """Swap left and right in some of the pictures."""

    probability: float = Field(default=0.5, ge=0.0, le=1.0)
    """The probability with which left and right are swapped."""

    PLACE = Place.MIRROR
    MIRRORS = True

    @property
    def acts(self) -> bool:
        return self.probability > 0

    def words(self) -> str:
        return f"mirrored with probability {self.probability:g}"

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        from PIL import Image

        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.mirrored(draws)[0] else image

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        batch.mirror(self.mirrored(draws))

    def mirrored(self, draws: Draws) -> npt.NDArray[np.bool_]:
        """Which samples are mirrored, (N,)."""
        return draws.uniform("Flip.mirrored") < self.probability
