"""The input of a network: what a recipe leaves open follows from the pictures."""

from __future__ import annotations

import statistics

from cardinet.base.settings import validate
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.data.statistics import IMAGENET_MEAN, IMAGENET_STD, channel_statistics
from cardinet.train.recipe import PreprocessingSettings

LARGEST_RESIZE = 256
CROP_SHARE = 0.875
SAMPLED_PICTURES = 64


def choose_preprocessing(asked: PreprocessingSettings, source: Source, channels: int) -> Preprocessing:
    """The preprocessing of a run.

    Small pictures go in as they are, normalised by their own statistics. Photographs are reduced to a shorter
    side of at most 256 pixels and cropped to 0.875 of it, a multiple of 16 (256 and 224 of the ImageNet
    recipes); they are normalised by ImageNet's constants, so that pretrained weights fit.
    """
    size, resize = asked.size, asked.resize
    if source.size is not None:
        size = size or max(source.size)
        if resize is None and size != max(source.size):
            resize = size
    elif size is None:
        resize = resize or min(LARGEST_RESIZE, _typical_side(source))
        size = max(32, int(resize * CROP_SHARE) // 16 * 16)
    elif resize is None:
        resize = round(size / CROP_SHARE)
    mean, std = asked.mean, asked.std
    if mean is None or std is None:
        own = source.small and channels == source.channels
        constants = IMAGENET_MEAN[:channels], IMAGENET_STD[:channels]
        known = channel_statistics(source.splits["train"]) if own else constants
        mean, std = mean or known[0], std or known[1]
    document = {"channels": channels, "resize": resize, "crop": size, "mean": mean, "std": std}
    return validate(Preprocessing, document | {"interpolation": asked.interpolation, "antialias": asked.antialias})


def _typical_side(source: Source) -> int:
    """The median of the shorter sides of some training pictures, evenly chosen."""
    split = source.splits["train"]
    step = max(1, len(split) // SAMPLED_PICTURES)
    return int(statistics.median(min(split.picture(i).size) for i in range(0, len(split), step)))
