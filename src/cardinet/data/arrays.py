"""Pictures in memory on a device: stored once, and read in batches by one gather."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from cardinet.data.labelling import Rows
from cardinet.data.preprocessing import Preprocessing

Chosen = npt.NDArray[np.bool_]
"""A mask of the samples of a batch, (N,)."""


class ArrayPictures:
    """Pictures of one size on a device.

    `images` is uint8 (N, C, H, W). The pictures are converted to the input's channels and resized once.
    """

    def __init__(self, images: torch.Tensor, preprocessing: Preprocessing, device: torch.device) -> None:
        self.preprocessing = preprocessing
        self.device = device
        pixels = staged(images, preprocessing)
        self.count, self.height, self.width, self.channels = pixels.shape
        # The colour of the outside stands behind the last pixel, so that the one gather pads as well.
        colour = torch.zeros(1, self.channels, dtype=torch.uint8)
        self.pixels = torch.cat([pixels.view(-1, self.channels), colour]).to(device)
        self._colour = (0,) * self.channels

    def batch(self, rows: Rows) -> ArrayBatch:
        """The pictures at these rows, as central crops unless `show` changes that."""
        return ArrayBatch(self, rows)

    def picture(self, row: int) -> torch.Tensor:
        """One whole picture, uint8 (C, height, width)."""
        size = self.height * self.width
        return self.pixels[row * size : (row + 1) * size].view(self.height, self.width, self.channels).permute(2, 0, 1)

    def centre(self, length: int) -> Rows:
        """The central rows (or columns) of a side of this length, (crop,)."""
        start = round((length - self.preprocessing.crop) / 2.0)
        return np.arange(start, start + self.preprocessing.crop)

    def gather(self, which: Rows, rows: Rows, columns: Rows, colour: tuple[int, ...]) -> torch.Tensor:
        """The pixels at `rows` (N, h) and `columns` (N, w) of the pictures `which` (N,): uint8 (N, C, h, w).

        Stored with the channels last. A row or column below 0 is outside the picture and has the `colour`.
        """
        if colour != self._colour:
            self.pixels[-1] = torch.tensor(colour, dtype=torch.uint8)
            self._colour = colour
        last = self.pixels.shape[0] - 1
        # A line outside points behind the last picture, at the colour.
        first, down, across = (
            torch.from_numpy(lines).to(self.device, non_blocking=True)
            for lines in (
                which * (self.height * self.width),
                np.where(rows < 0, last, rows * self.width),
                np.where(columns < 0, last, columns),
            )
        )
        place = (first[:, None] + down)[:, :, None] + across[:, None, :]
        found = self.pixels.index_select(0, place.clamp_(max=last).view(-1))
        return found.view(*place.shape, self.channels).permute(0, 3, 1, 2)


class ArrayBatch:
    """A batch of pictures in memory on its way into the network, (N, C, crop, crop).

    At first it only holds the rows and columns to show. The first access to `pixels` reads them by one gather, so crops
    and mirror images before it cost almost nothing.
    """

    def __init__(self, pictures: ArrayPictures, which: Rows) -> None:
        self.pictures = pictures
        self.which = which
        self._rows = np.broadcast_to(pictures.centre(pictures.height), (len(which), pictures.preprocessing.crop))
        self._columns = np.broadcast_to(pictures.centre(pictures.width), self._rows.shape)
        self._colour = (0,) * pictures.channels
        self._pixels: torch.Tensor | None = None

    def show(self, rows: Rows, columns: Rows, colour: tuple[int, ...]) -> None:
        """Show these rows and columns of each picture, (N, crop) each, and a colour where one is below 0."""
        self._rows, self._columns, self._colour, self._pixels = rows, columns, colour, None

    def mirror(self, chosen: Chosen) -> None:
        """Swap left and right of the chosen samples."""
        if self._pixels is None:
            self._columns = np.where(chosen[:, None], self._columns[:, ::-1], self._columns)
        else:
            rows = torch.from_numpy(np.flatnonzero(chosen)).to(self._pixels.device, non_blocking=True)
            self._pixels[rows] = self._pixels[rows].flip(-1)

    @property
    def pixels(self) -> torch.Tensor:
        """uint8 (N, C, crop, crop), stored with the channels last. They may be changed in place."""
        if self._pixels is None:
            self._pixels = self.pictures.gather(self.which, self._rows, self._columns, self._colour)
        return self._pixels

    @pixels.setter
    def pixels(self, pixels: torch.Tensor) -> None:
        self._pixels = pixels.contiguous(memory_format=torch.channels_last)


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
