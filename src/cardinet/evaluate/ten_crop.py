"""Ten crops of a picture: the four corners and the centre, and their mirror images (Krizhevsky et al. 2012)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from cardinet.base.errors import WorkError
from cardinet.data.batches import Batch
from cardinet.data.decode import PictureError
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split

CROPS = 10


def ten_crops(image: Image.Image, preprocessing: Preprocessing) -> torch.Tensor:
    """The crops of a decoded picture as pixels, uint8 (10, C, crop, crop): corners, centre, then those mirrored.

    The picture is resized as for one crop. A picture smaller than the crop is first padded with black.
    """
    image, side = preprocessing.to_mode(image), preprocessing.crop
    size = preprocessing.resized_size(image.size)
    if min(size) < side:
        resized = preprocessing.resized(image)
        image = Image.new(resized.mode, (max(resized.width, side), max(resized.height, side)))
        image.paste(resized, ((image.width - resized.width) // 2, (image.height - resized.height) // 2))
        size = image.size
    right, below = size[0] - side, size[1] - side
    middle = round(right / 2.0), round(below / 2.0)
    crops = []
    for mirrored in (False, True):
        for left, top in (*((x, y) for y in (0, below) for x in (0, right)), middle):
            x = right - left if mirrored else left  # the place in the picture before mirroring
            box = x, top, x + side, top + side
            crop = image.crop(box) if image.size == size else preprocessing.window(image, box)
            crops.append(crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else crop)
    pixels = np.stack([np.array(crop, dtype=np.uint8).reshape(side, side, -1) for crop in crops])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def ten_crop_batches(split: Split, preprocessing: Preprocessing, *, batch_size: int, device: str) -> Iterator[Batch]:
    """Every sample once, in order, as `evaluation_batches` gives them, but with pixels (10 B, C, crop, crop).

    Raises WorkError with the name of a picture that cannot be decoded.
    """
    for first in range(0, len(split), batch_size):
        index = np.arange(first, min(first + batch_size, len(split)))
        pixels = torch.cat([_crops_of(split, int(i), preprocessing) for i in index]).to(device)
        labels = split.labelling.tensor(split.labels[index]).to(device)
        yield Batch(preprocessing.normalise(pixels), labels, index)


def _crops_of(split: Split, index: int, preprocessing: Preprocessing) -> torch.Tensor:
    try:
        return ten_crops(split.picture(index), preprocessing)
    except PictureError as error:
        raise WorkError(f"{split.names[index]}: {error.kind}: {error.detail}.") from error
