"""A random part of the picture, resized to the input (Szegedy et al. 2014), as torchvision's RandomResizedCrop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

from cardinet.data.augmentations import Framing
from cardinet.data.boxes import Box, Boxes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws
    from cardinet.data.preprocessing import Preprocessing


class ResizedCrop(Framing):
    """Cut a part out whose share of the area and aspect ratio lie in these ranges, and resize it to the input."""

    area: tuple[float, float] = (0.08, 1.0)
    """The least and the largest share of the picture's area that a crop has, within 0 and 1."""

    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """The least and the largest ratio of a crop's width to its height."""

    @model_validator(mode="after")
    def _check(self) -> ResizedCrop:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area = {self.area[0]}, {self.area[1]}: the shares must rise within (0, 1]")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio = {self.ratio[0]}, {self.ratio[1]}: the aspect ratios must rise and be above 0")
        return self

    def words(self) -> str:
        low, high = (f"{100 * share:.0f} %" for share in self.area)
        return f"a crop of {low} to {high} of its area"

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        from cardinet.data.decode import full_size

        (across, down), factor = full_size(image)
        ((top, left, height, width),) = self.boxes(draws, down, across)
        box, side = (left, top, left + width, top + height), (preprocessing.crop, preprocessing.crop)
        if factor == 1:
            return preprocessing.scale(image.crop(box), side)
        # The same place in the smaller picture, where it begins within a pixel.
        seen = (box[0] / factor, box[1] / factor, box[2] / factor, box[3] / factor)
        return preprocessing.scale(image, side, seen)

    def reduction(self, size: tuple[int, int], preprocessing: Preprocessing, draws: Draws) -> int:
        ((_, _, height, width),) = self.boxes(draws, size[1], size[0])
        return max(1, min(height, width) // preprocessing.crop) if preprocessing.is_filtered else 1

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        import torch
        from torchvision.transforms import InterpolationMode, functional

        pictures, preprocessing = batch.pictures, batch.pictures.preprocessing
        method, side = InterpolationMode(preprocessing.interpolation), [preprocessing.crop, preprocessing.crop]
        boxes = self.boxes(draws, pictures.height, pictures.width)
        crops = [
            functional.resized_crop(pictures.picture(row), *box, side, method, antialias=preprocessing.antialias)
            for row, box in zip(batch.which.tolist(), boxes, strict=True)
        ]
        batch.pixels = torch.stack(crops)

    def boxes(self, draws: Draws, height: int, width: int) -> Iterator[Box]:
        """The box of each sample, for pictures of this size.

        It has the distribution of torchvision's RandomResizedCrop: ten tries of an area share and a log-uniform aspect
        ratio, a uniform position for the first that fits, else the largest central crop with an allowed ratio.
        """
        drawn = Boxes(draws, "ResizedCrop", self.area, self.ratio)
        for sample in range(len(drawn)):
            yield drawn.box(sample, height, width, whole=True) or central_box(self.ratio, height, width)


def central_box(ratio: tuple[float, float], height: int, width: int) -> Box:
    """The largest central crop whose aspect ratio (width / height) lies in the range."""
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w
