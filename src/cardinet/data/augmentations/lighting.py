"""Colour lighting along the principal axes of ImageNet's colours (Krizhevsky et al. 2012, Section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from cardinet.data.augmentations import Augmentation, Place

if TYPE_CHECKING:
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws, Whole
    from cardinet.data.preprocessing import Preprocessing

EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
"""Of the colours in [0, 1] of ImageNet's training pictures, one vector a column (facebook/fb.resnet.torch)."""

LUMA = (0.299, 0.587, 0.114)


class Lighting(Augmentation):
    """Add one colour to the whole picture: the sum of vector * value * a over the three axes, a drawn from N(0, std).

    The colour is for pixels in [0, 1]. It is rounded to 1/255, and the result is clipped, because pictures have 8 bits
    until they are normalised; in fb.resnet.torch they are floating-point. A grey picture gets the colour's grey value.
    As in fb.resnet.torch it comes after ColorJitter.
    """

    std: float = Field(default=0.1, ge=0.0, le=100.0)
    """The standard deviation of the weight a of each axis."""

    PLACE = Place.LIGHTING

    @property
    def acts(self) -> bool:
        return self.std > 0

    def words(self) -> str:
        return f"lighting varied by {self.std:g} along the main axes of colour"

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        import numpy as np

        added = self.levels(draws, preprocessing.channels)[0]
        return image.point((np.arange(256) + added[:, None]).clip(0, 255).ravel().tolist())

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        import torch

        added = torch.from_numpy(self.levels(draws, batch.pictures.channels)[:, :, None, None])
        pixels = batch.pixels.short() + added.short().to(batch.pixels.device, non_blocking=True)
        batch.pixels = pixels.clamp_(0, 255).to(torch.uint8)

    def levels(self, draws: Draws, channels: int) -> Whole:
        """What is added to the pixels of each channel, in 1/255, (N, channels)."""
        import numpy as np

        from cardinet.data.draws import normal

        weights = self.std * normal(draws.uniform_rows("Lighting.weights", 3))
        colour = (weights * EIGENVALUES) @ np.array(EIGENVECTORS).T
        if channels == 1:
            colour = colour @ np.array(LUMA)[:, None]
        return np.asarray(np.rint(255 * colour).clip(-255, 255), dtype=np.int64)
