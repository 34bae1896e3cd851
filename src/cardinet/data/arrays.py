"""Augmentation of pictures in memory, a batch at a time, on the device where they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from cardinet.data.crops import crop_lines, pad_colour
from cardinet.data.draws import FLIP, JITTERS, LEFT, TOP, Uniforms, crop_box, draw, jitter
from cardinet.data.listing import Rows
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.settings import AugmentationSettings


class ArrayPictures:
    """Pictures of one size on a device, read a batch at a time by one gather.

    `images` is uint8 (N, C, H, W); they are brought to the input's channels and resized once. Batches are
    uint8 (B, C, crop, crop), stored with the channels last.
    """

    def __init__(
        self,
        images: torch.Tensor,
        preprocessing: Preprocessing,
        augmentation: AugmentationSettings,
        device: torch.device,
    ) -> None:
        self.preprocessing = preprocessing
        self.augmentation = augmentation
        self.device = device
        pixels = staged(images, preprocessing)
        self.count, self.height, self.width, self.channels = pixels.shape
        # All pixels and, behind the last one, the pad's colour: the one gather then pads as well.
        colour = torch.from_numpy(pad_colour(preprocessing, augmentation))[None]
        self.pixels = torch.cat([pixels.view(-1, self.channels), colour]).to(device)

    def evaluation(self, index: Rows) -> torch.Tensor:
        """The central crops of the pictures."""
        return self._gather(index, self._centre(self.height, len(index)), self._centre(self.width, len(index)))

    def augmented(self, *, seed: int, epoch: int, index: Rows, rows: Rows | None = None) -> torch.Tensor:
        """The pictures cropped, flipped and jittered by the draws of (seed, epoch, index).

        `rows` says where they stand among these pictures; None: at their index.
        """
        settings = self.augmentation
        u = draw(settings, seed, epoch, index)
        index = index if rows is None else rows
        flip = u[:, FLIP] < settings.flip
        if settings.resized_crop is not None:
            pixels = self._resized_crops(u, index, flip)
        elif settings.pad:
            pixels = self._pad_crops(u, index, flip)
        else:
            columns = _mirrored(self._centre(self.width, len(index)), flip)
            pixels = self._gather(index, self._centre(self.height, len(index)), columns)
        return jittered(pixels, settings, u) if settings.jitters else pixels

    def _centre(self, length: int, count: int) -> Rows:
        start = round((length - self.preprocessing.crop) / 2.0)
        return np.broadcast_to(np.arange(start, start + self.preprocessing.crop), (count, self.preprocessing.crop))

    def _pad_crops(self, u: Uniforms, index: Rows, flip: npt.NDArray[np.bool_]) -> torch.Tensor:
        side = self.preprocessing.crop
        rows, row_inside = crop_lines(self.height, side, self.augmentation, u[:, TOP])
        columns, column_inside = crop_lines(self.width, side, self.augmentation, u[:, LEFT])
        # A line outside points behind the last picture; _gather brings all such places to the pad's colour.
        outside = self.pixels.shape[0]
        columns = _mirrored(np.where(column_inside, columns, outside), flip)
        return self._gather(index, np.where(row_inside, rows, outside), columns)

    def _gather(self, index: Rows, rows: Rows, columns: Rows) -> torch.Tensor:
        first, down, across = (
            torch.from_numpy(np.array(lines)).to(self.device, non_blocking=True)
            for lines in (index * (self.height * self.width), rows * self.width, columns)
        )
        place = (first[:, None] + down)[:, :, None] + across[:, None, :]
        place = place.clamp_(max=self.pixels.shape[0] - 1)
        found = self.pixels.index_select(0, place.view(-1))
        return found.view(*place.shape, self.channels).permute(0, 3, 1, 2)

    def _resized_crops(self, u: Uniforms, index: Rows, flip: npt.NDArray[np.bool_]) -> torch.Tensor:
        from torchvision.transforms import InterpolationMode, functional

        method = InterpolationMode(self.preprocessing.interpolation)
        images = self.pixels[:-1].view(self.count, self.height, self.width, self.channels)
        side = [self.preprocessing.crop, self.preprocessing.crop]
        crops = []
        for sample, draws, mirrored in zip(index, u, flip, strict=True):
            box = crop_box(self.augmentation, draws, self.height, self.width)
            image = images[int(sample)].permute(2, 0, 1)
            crop = functional.resized_crop(image, *box, side, method, antialias=self.preprocessing.antialias)
            crops.append(crop.flip(-1) if mirrored else crop)
        return torch.stack(crops).contiguous(memory_format=torch.channels_last)


def _mirrored(columns: Rows, flip: npt.NDArray[np.bool_]) -> Rows:
    return np.where(flip[:, None], columns[:, ::-1], columns)


def staged(images: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """uint8 (N, C, H, W) as (N, H', W', C') with the input's channels, resized, and no side below the crop."""
    pixels = images.permute(0, 2, 3, 1)
    short = min(pixels.shape[1:3])
    as_is = pixels.shape[3] == preprocessing.channels and preprocessing.resize in (None, short)
    if as_is and short >= preprocessing.crop:
        return pixels.contiguous()
    return torch.from_numpy(np.stack([_stage(picture, preprocessing) for picture in pixels.numpy()]))


def _stage(pixels: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    # By Pillow, picture by picture, so that a picture in memory and the same one as a file give the same pixels.
    from PIL import Image

    grey = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    image = preprocessing.resized(preprocessing.to_mode(image))
    if min(image.size) < preprocessing.crop:
        image = preprocessing.centre_crop(image)
    return np.array(image).reshape(image.height, image.width, preprocessing.channels)


def jittered(pixels: torch.Tensor, settings: AugmentationSettings, u: Uniforms) -> torch.Tensor:
    """Colour jitter of uint8 (N, C, H, W): each sample with its own factors in its own order."""
    drawn = jitter(settings, u)
    pixels = pixels.clone(memory_format=torch.channels_last)
    for place in range(len(JITTERS)):
        for number, name in enumerate(JITTERS):
            chosen = np.flatnonzero(drawn.order[:, place] == number)
            if name not in drawn.factors or not len(chosen):
                continue
            rows = torch.from_numpy(chosen).to(pixels.device, non_blocking=True)
            factors = torch.from_numpy(drawn.factors[name][chosen].astype(np.float32))
            pixels[rows] = adjusted(pixels[rows], name, factors)
    return pixels


def adjusted(pixels: torch.Tensor, name: str, factors: torch.Tensor) -> torch.Tensor:
    """torchvision's `adjust_*` on uint8 (N, C, H, W) with one factor for each sample, float32 (N,).

    `factors` in the processor's memory spare the device a wait.
    """
    from torchvision.transforms import functional

    if name == "hue":
        return torch.stack([functional.adjust_hue(x, float(f)) for x, f in zip(pixels, factors, strict=True)])
    if name == "saturation" and pixels.shape[1] == 1:
        return pixels
    if name == "brightness":
        other = torch.zeros(1, device=pixels.device)
    else:
        other = (functional.rgb_to_grayscale(pixels) if pixels.shape[1] == 3 else pixels).float()
        if name == "contrast":
            other = other.mean(dim=(1, 2, 3), keepdim=True)
    factor = factors.to(pixels.device, non_blocking=True).view(-1, 1, 1, 1)
    return (factor * pixels + (1.0 - factor) * other).clamp(0, 255).to(torch.uint8)
