"""The preprocessing of every picture before it enters a network. It is part of the model file."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from cardinet.base.settings import Settings

if TYPE_CHECKING:
    import torch
    from PIL import Image

LARGEST_SIDE = 8192
"""The largest side of a network's input, in pixels."""


Box = tuple[int, int, int, int]

WHOLE = 16 << 20
"""A picture with at most this many pixels after resizing is resized as a whole."""
CROPS = 4
"""So is one with at most this many times the pixels of the crop: usual pictures with large crops."""
IN_CACHE = 1 << 16
"""Values that stay in the cache of one core while they are normalised."""


class Preprocessing(Settings):
    """Resize the shorter side, crop the centre, scale to [0, 1], subtract the mean and divide by the deviation.

    `resize` is the length of the shorter side (None: unchanged), `crop` the side of the square input. The pixels are
    the same as those of torchvision's `resize` and `center_crop` on a Pillow picture, with a black border around a
    picture that is smaller than the crop. `antialias = False` samples without a filter that grows with the reduction.
    For colours, transparency, 16 bits and EXIF orientation see `modes.to_mode`.
    """

    channels: Literal[1, 3]
    resize: int | None = Field(default=None, gt=0, le=LARGEST_SIDE)
    crop: int = Field(gt=0, le=LARGEST_SIDE)
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    antialias: bool = True
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Preprocessing:
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std need one value for each of the {self.channels} channels")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self

    def as_settings(self) -> dict[str, Any]:
        """Plain data by the names of the settings: `crop` in files is called `size` there."""
        document = self.model_dump(mode="json")
        return {"size" if name == "crop" else name: value for name, value in document.items()}

    def of_side(self, side: int, short: int) -> Preprocessing:
        """The same view of a picture as an input with sides of `side` pixels.

        `short` is the shorter side of the pictures, for a preprocessing that does not resize them.
        """
        if side == self.crop:
            return self
        resize = round((self.resize or short) * side / self.crop)
        return self.model_copy(update={"crop": side, "resize": max(1, resize)})

    @property
    def mean_pixel(self) -> tuple[int, ...]:
        """The mean as the value of a pixel in each channel; it normalises to about 0."""
        return tuple(round(255 * min(max(share, 0.0), 1.0)) for share in self.mean)

    def picture(self, image: Image.Image) -> torch.Tensor:
        """A decoded picture as the input's pixels: uint8, (C, crop, crop), contiguous.

        Raises PictureError for a mode that cannot be converted to 8 bits.
        """
        import numpy as np
        import torch

        pixels = np.array(self.fit(image), dtype=np.uint8).reshape(self.crop, self.crop, self.channels)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def fit(self, image: Image.Image) -> Image.Image:
        """A decoded picture in the input's mode, resized and cropped, as a Pillow picture."""
        image = self.to_mode(image)
        width, height = self.resized_size(image.size)
        if min(width, height) < self.crop:
            return self.centre_crop(self.window(image, self._middle(width, height)))
        left, top = (round((side - self.crop) / 2.0) for side in (width, height))
        return self.window(image, (left, top, left + self.crop, top + self.crop))

    def _middle(self, width: int, height: int) -> Box:
        """The part of a resized picture that a central crop shows, if one side is smaller than the crop."""
        left, top = (max(0, round((side - self.crop) / 2.0)) for side in (width, height))
        return left, top, min(width, left + self.crop), min(height, top + self.crop)

    def to_mode(self, image: Image.Image) -> Image.Image:
        """A decoded picture, upright and in the input's mode (L or RGB), in its own size."""
        from cardinet.data.decode import to_mode

        return to_mode(image, self.channels)

    def resized_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (width, height) after resizing the shorter side to `resize`; the longer side is rounded down."""
        width, height = size
        short, long = min(width, height), max(width, height)
        if self.resize is None or short == self.resize:
            return size
        new_long = int(self.resize * long / short)
        return (self.resize, new_long) if width <= height else (new_long, self.resize)

    @property
    def is_filtered(self) -> bool:
        """Whether reducing a picture averages its pixels, and does not pick some of them."""
        return self.antialias and self.interpolation != "nearest"

    def reduction(self, size: tuple[int, int]) -> int:
        """The largest factor by which a picture of this size may be smaller, so that resizing does not enlarge it."""
        return max(1, min(size) // self.resize) if self.resize is not None and self.is_filtered else 1

    def resized(self, image: Image.Image) -> Image.Image:
        """The picture, resized so that its shorter side is `resize`."""
        size = self.resized_size(image.size)
        return image if size == image.size else self.scale(image, size)

    def window(self, image: Image.Image, box: Box) -> Image.Image:
        """The part (left, top, right, bottom) of the resized picture.

        Of a long strip only this part is computed, as the whole would take gigabytes. Its pixels may then differ from
        those of the whole by rounding.
        """
        size = self.resized_size(image.size)
        if size == image.size:
            return image.crop(box)
        if size[0] * size[1] <= max(WHOLE, CROPS * self.crop**2):
            return self.scale(image, size).crop(box)
        across, down = image.width / size[0], image.height / size[1]
        seen = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        return self.scale(image, (box[2] - box[0], box[3] - box[1]), seen)

    def scale(
        self, image: Image.Image, size: tuple[int, int], seen: tuple[float, float, float, float] | None = None
    ) -> Image.Image:
        """The picture, or its part `seen`, interpolated to the given (width, height)."""
        from PIL import Image

        method = Image.Resampling[self.interpolation.upper()]
        if self.antialias or method == Image.Resampling.NEAREST:
            return image.resize(size, method, seen)
        return image.transform(size, Image.Transform.EXTENT, seen or (0, 0, *image.size), method)

    def centre_crop(self, image: Image.Image) -> Image.Image:
        """The central square with the input's side. A smaller picture gets a black border first."""
        from PIL import Image

        width, height = image.size
        if min(width, height) < self.crop:
            border = Image.new(image.mode, (max(width, self.crop), max(height, self.crop)))
            border.paste(image, ((border.width - width) // 2, (border.height - height) // 2))
            image = border
        left, top = (round((side - self.crop) / 2.0) for side in image.size)
        return image.crop((left, top, left + self.crop, top + self.crop))

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 (N, C, H, W) as float32 in channels_last, (x / 255 - mean) / std, on the pixels' device."""
        import torch

        count, channels, height, width = pixels.shape
        rows = pixels.permute(0, 2, 3, 1).reshape(count * height, width * channels)
        mean, std = _constants(self.mean, self.std, width, pixels.device)
        found = torch.empty(rows.shape, dtype=torch.float32, device=pixels.device)
        # A CPU takes few rows at a time through all three steps, while they are in its cache.
        few = max(1, IN_CACHE // max(1, width * channels)) if pixels.device.type == "cpu" else max(1, len(rows))
        for part, whole in zip(rows.split(few), found.split(few), strict=True):
            torch.div(part, 255, out=whole).sub_(mean).div_(std)
        return found.view(count, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation as float32 for the values of a row, channel by channel, on the device.

    A whole row, as adding only three numbers again and again is slow. They are cached, as a copy makes the host wait.
    """
    import torch

    with torch.inference_mode(False):  # the cached tensors must work in every mode
        first, second = (
            torch.tensor(values, dtype=torch.float32, device=device).repeat(width) for values in (mean, std)
        )
    return first, second
