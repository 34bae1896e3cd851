"""Random erasing (Zhong et al. 2017, arXiv 1708.04896): a rectangle without the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from cardinet.data.augmentations import Augmentation, Place
from cardinet.data.boxes import Box, Boxes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws
    from cardinet.data.preprocessing import Preprocessing


def _filling(value: Any) -> Any:
    if value in ("mean", "noise") or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255):
        return value
    raise ValueError("write mean, noise or the value of a pixel from 0 to 255")


class RandomErasing(Augmentation):
    """Replace a rectangle in some of the pictures.

    The rectangles are those of torchvision's RandomErasing: ten tries, none if no try is smaller than the picture. The
    pixels are not normalised yet, so that the default value, the mean colour, is torchvision's 0 after normalisation.
    """

    probability: float = Field(default=0.5, ge=0.0, le=1.0)
    """The probability with which a picture gets a rectangle."""

    scale: tuple[float, float] = (0.02, 0.33)
    """The least and the largest share of the picture's area that a rectangle has, within 0 and 1."""

    ratio: tuple[float, float] = (0.3, 3.3)
    """The least and the largest ratio of a rectangle's height to its width."""

    value: Annotated[Literal["mean", "noise"] | int, BeforeValidator(_filling)] = "mean"
    """The new pixels: the mean colour (mean), a random value for each pixel and channel (noise), or a value from 0 to
    255.
    """

    PLACE = Place.ERASE

    @model_validator(mode="after")
    def _check(self) -> RandomErasing:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale = {self.scale[0]}, {self.scale[1]}: the shares must rise within (0, 1]")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio = {self.ratio[0]}, {self.ratio[1]}: the ratios must rise and be above 0")
        return self

    @property
    def acts(self) -> bool:
        return self.probability > 0

    def words(self) -> str:
        return f"a rectangle erased with probability {self.probability:g}"

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        from PIL import Image

        for _, (top, left, *_), pixels in self.erased(draws, preprocessing):
            image = image.copy()
            grey = preprocessing.channels == 1
            image.paste(Image.fromarray(pixels[:, :, 0] if grey else pixels), (left, top))
        return image

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        import torch

        for sample, (top, left, height, width), pixels in self.erased(draws, batch.pictures.preprocessing):
            new = torch.from_numpy(pixels).to(batch.pixels.device, non_blocking=True).permute(2, 0, 1)
            batch.pixels[sample, :, top : top + height, left : left + width] = new

    def erased(self, draws: Draws, preprocessing: Preprocessing) -> Iterator[tuple[int, Box, npt.NDArray[np.uint8]]]:
        """The samples that get a rectangle, with its box and its pixels, uint8 (height, width, C)."""
        import numpy as np

        from cardinet.data.draws import noise

        side, channels = preprocessing.crop, preprocessing.channels
        # Boxes has the width by the height.
        boxes = Boxes(draws, "RandomErasing", self.scale, (1 / self.ratio[1], 1 / self.ratio[0]))
        seeds = draws.uniform("RandomErasing.noise") if self.value == "noise" else None
        for sample in np.flatnonzero(draws.uniform("RandomErasing.erased") < self.probability).tolist():
            box = boxes.box(sample, side, side, whole=False)
            if box is None:
                continue
            shape = box[2], box[3], channels
            if seeds is not None:
                yield sample, box, noise(seeds[sample], math.prod(shape)).reshape(shape)
            else:
                colour = preprocessing.mean_pixel if self.value == "mean" else self.value
                yield sample, box, np.full(shape, colour, dtype=np.uint8)
