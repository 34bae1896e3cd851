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
        image = _pad_crop(image, preprocessing, settings, u)
    else:
        image = preprocessing.fit(image)
    if u[0, FLIP] < settings.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _jittered(image, settings, u) if settings.jitters else image


def _pad_crop(
    image: Image.Image, preprocessing: Preprocessing, settings: AugmentationSettings, u: Uniforms
) -> Image.Image:
    """A random crop of the resized and padded picture; only what it shows is resized."""
    side = preprocessing.crop
    width, height = preprocessing.resized_size(image.size)
    if min(width, height) < side:
        image = preprocessing.centre_crop(preprocessing.resized(image))
        width, height = image.size
    rows, row_inside = crop_lines(height, side, settings, u[:, TOP])
    columns, column_inside = crop_lines(width, side, settings, u[:, LEFT])
    left, top = int(columns.min()), int(rows.min())
    box = left, top, int(columns.max()) + 1, int(rows.max()) + 1
    seen = image.crop(box) if image.size == (width, height) else preprocessing.window(image, box)
    pixels = np.asarray(seen).reshape(seen.height, seen.width, preprocessing.channels)
    cropped = pixels[(rows[0] - top)[:, None], (columns[0] - left)[None, :]]
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
