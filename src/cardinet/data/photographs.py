"""Augmentation of one photograph, in a worker process: Pillow picture in, cropped Pillow picture out."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cardinet.data.crops import crop_lines, pad_colour
from cardinet.data.draws import FLIP, LEFT, TOP, Uniforms, crop_box, draw, jitter
from cardinet.data.draws import JITTERS as JITTER_NAMES
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.settings import AugmentationSettings


def augmented(
    image: Image.Image,
    preprocessing: Preprocessing,
    settings: AugmentationSettings,
    *,
    seed: int,
    epoch: int,
    index: int,
) -> Image.Image:
    """Crop, flip and jitter a decoded picture by the draws of (seed, epoch, index); (crop, crop) in its mode."""
    u = draw(settings, seed, epoch, index)
    image = preprocessing.to_mode(image)
    if settings.resized_crop is not None:
        top, left, height, width = crop_box(settings, u[0], image.height, image.width)
        image = image.crop((left, top, left + width, top + height))
        image = preprocessing.scale(image, (preprocessing.crop, preprocessing.crop))
    elif settings.pad:
        image = _pad_crop(preprocessing.resized(image), preprocessing, settings, u)
    else:
        image = preprocessing.centre_crop(preprocessing.resized(image))
    if u[0, FLIP] < settings.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _jittered(image, settings, u) if settings.jitters else image


def _pad_crop(
    image: Image.Image, preprocessing: Preprocessing, settings: AugmentationSettings, u: Uniforms
) -> Image.Image:
    side = preprocessing.crop
    if min(image.size) < side:
        image = preprocessing.centre_crop(image)
    pixels = np.asarray(image).reshape(image.height, image.width, preprocessing.channels)
    rows, row_inside = crop_lines(image.height, side, settings, u[:, TOP])
    columns, column_inside = crop_lines(image.width, side, settings, u[:, LEFT])
    cropped = pixels[rows[0][:, None], columns[0][None, :]]
    cropped[~(row_inside[0][:, None] & column_inside[0][None, :])] = pad_colour(preprocessing, settings)
    return Image.fromarray(cropped[:, :, 0] if preprocessing.channels == 1 else cropped)


def _jittered(image: Image.Image, settings: AugmentationSettings, u: Uniforms) -> Image.Image:
    # torchvision costs seconds to import and is needed for this alone.
    from torchvision.transforms import functional

    drawn = jitter(settings, u)
    for number in drawn.order[0]:
        name = JITTER_NAMES[number]
        if name in drawn.factors:
            image = getattr(functional, f"adjust_{name}")(image, float(drawn.factors[name][0]))
    return image
