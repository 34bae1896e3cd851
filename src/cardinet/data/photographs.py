"""Augmentation of one photograph, in a worker process: Pillow picture in, cropped Pillow picture out."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cardinet.data.draws import FLIP, LEFT, TOP, Uniforms, crop_box, draw, jitter, whole_number
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


def crop_lines(
    length: int, side: int, settings: AugmentationSettings, u: Uniforms
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int64]], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """For each sample the rows (or columns) that a padded crop shows, (N, side), and whether they are inside.

    Lines outside are mirrored for `reflect` (the edge is not repeated) and set to the nearest one else.
    """
    pad = settings.pad
    start = whole_number(u, length + 2 * pad - side + 1) - pad
    lines = start[:, None] + np.arange(side)
    inside = (lines >= 0) & (lines < length)
    if settings.pad_mode == "reflect":
        period = max(2 * (length - 1), 1)
        folded = np.abs(lines) % period
        return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(lines), np.ones_like(inside)
    return np.clip(lines, 0, length - 1), inside


def pad_colour(
    preprocessing: Preprocessing, settings: AugmentationSettings
) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The colour of the pad, (C,): black or the mean rounded to a pixel value (not used for `reflect`)."""
    share = np.array(preprocessing.mean) if settings.pad_mode == "mean" else np.zeros(preprocessing.channels)
    return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _jittered(image: Image.Image, settings: AugmentationSettings, u: Uniforms) -> Image.Image:
    # torchvision costs seconds to import and is needed for this alone.
    from torchvision.transforms import functional

    drawn = jitter(settings, u)
    for number in drawn.order[0]:
        name = JITTER_NAMES[number]
        if name in drawn.factors:
            image = getattr(functional, f"adjust_{name}")(image, float(drawn.factors[name][0]))
    return image
