"""Mean and standard deviation of a split's channels."""

from __future__ import annotations

import numpy as np

from cardinet.data.source import Split

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def channel_statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of a split in memory, of values in [0, 1].

    The result is exact, from counts of the 256 values. A constant channel gets the deviation 1, so that division by it
    is harmless. Raises ValueError for a split that is not in memory (photographs use ImageNet's constants).
    """
    if split.images is None:
        raise ValueError(f"the {split.name} split is not in memory")
    values = np.arange(256) / 255
    means, deviations = [], []
    for channel in split.images.unbind(1):
        counts = np.bincount(channel.numpy().reshape(-1), minlength=256)
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means.append(mean)
        deviations.append(variance**0.5 or 1.0)
    return tuple(means), tuple(deviations)
