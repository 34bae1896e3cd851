"""The input of a network: settings that a recipe leaves open follow from the pictures."""

from __future__ import annotations

import statistics
from contextlib import suppress

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.settings import validate
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.data.statistics import IMAGENET_MEAN, IMAGENET_STD, channel_statistics
from cardinet.train.recipe import PreprocessingSettings

LARGEST_RESIZE = 256
CROP_SHARE = 0.875
SAMPLED_PICTURES = 64
SMALLEST = 32
"""The smallest side that is chosen for the input of photographs."""


def choose_size(asked: PreprocessingSettings, source: Source) -> tuple[int, int | None]:
    """The side of the input, and the shorter side before an evaluation's crop (None: the picture is not resized).

    Small pictures keep their size. Photographs are reduced to a shorter side of at most 256 pixels and cropped to 0.875
    of it, a multiple of 16 (256 and 224 in the ImageNet recipes). A chosen shorter side is never less than the crop, so
    that no picture gets a black frame; values that the user asks for stay unchanged (see `check_size`).
    """
    size, resize = asked.size, asked.resize
    if source.size is not None:
        native = max(source.size)
        return size or native, resize or (size if size not in (None, native) else None)
    if size is None:
        side = resize or min(LARGEST_RESIZE, _typical_side(source))
        size = max(SMALLEST, int(side * CROP_SHARE) // 16 * 16)
        return size, resize or max(side, size)
    return size, resize or round(size / CROP_SHARE)


def check_size(asked: PreprocessingSettings, source: Source) -> None:
    """Raise RequestError if the requested shorter side is less than the input's side.

    An evaluation would then add a black frame to the pictures, but a training would not.
    """
    if asked.resize is None:
        return
    size, _ = choose_size(asked, source)
    if asked.resize < size:
        whose = f"size = {size}" if asked.size else f"the size that these pictures get, {size}"
        raise RequestError(
            f"resize = {asked.resize} is less than {whose}: an evaluation would put a black frame around every "
            f"picture; give --set resize={size} or more, or --set size={asked.resize}."
        )


def choose_preprocessing(asked: PreprocessingSettings, source: Source, channels: int) -> Preprocessing:
    """The preprocessing of a run: small pictures are normalised by their own statistics, photographs by ImageNet's
    constants, so that pretrained weights fit.
    """
    size, resize = choose_size(asked, source)
    mean, std = asked.mean, asked.std
    if mean is None or std is None:
        own = source.small and channels == source.channels
        constants = IMAGENET_MEAN[:channels], IMAGENET_STD[:channels]
        split = source.splits.get("train", next(iter(source.splits.values())))
        known = channel_statistics(split) if own else constants
        mean, std = mean or known[0], std or known[1]
    document = {"channels": channels, "resize": resize, "crop": size, "mean": mean, "std": std}
    return validate(Preprocessing, document | {"interpolation": asked.interpolation, "antialias": asked.antialias})


def _typical_side(source: Source) -> int:
    """The median of the shorter sides of some evenly chosen training pictures. Damaged ones are reported later."""
    split = source.splits.get("train", next(iter(source.splits.values())))
    sides = []
    for index in range(0, len(split), max(1, len(split) // SAMPLED_PICTURES)):
        with suppress(WorkError):
            sides.append(min(split.picture(index).size))
    return int(statistics.median(sides)) if sides else LARGEST_RESIZE
