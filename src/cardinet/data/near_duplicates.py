"""Pictures that are nearly the same, by the correlation of small grey thumbnails.

A thumbnail has 16 x 16 grey values. The correlation of two is 1 for equal pictures, and stays close to 1 if one is the
other in another size, compression, brightness or contrast. It is not close to 1 for mirrored, turned or cropped copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.data.decode import to_mode
from cardinet.data.source import Split

SIDE = 16
FLAT = 1.0
"""A thumbnail with a smaller standard deviation, in grey levels of 255, has no pattern to compare."""
ROUNDING = 1e-5
"""Of a correlation in float32."""
AT_ONCE = 2**25
"""The number of correlations that are in memory at one time."""

Thumbnails = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Alike:
    """Picture `first` of one split is most alike to picture `second` of the other, with this correlation."""

    first: int
    second: int
    correlation: float


def thumbnails(split: Split, progress: Callable[[int, int], None] = lambda done, total: None) -> Thumbnails:
    """The thumbnail of each picture without its mean and of length 1, (N, 256); zeros for a picture without a pattern.

    Raises WorkError for a picture that cannot be decoded.
    """
    from PIL import Image

    found = np.zeros((len(split), SIDE * SIDE), np.float32)
    for i in range(len(split)):
        small = to_mode(split.picture(i), 1).resize((SIDE, SIDE), Image.Resampling.BOX)
        values = np.asarray(small, dtype=np.float64).ravel()
        values -= values.mean()
        if values.std() >= FLAT:
            found[i] = values / np.linalg.norm(values)
        if i % 100 == 99 or i + 1 == len(split):
            progress(i + 1, len(split))
    return found


def near_duplicates(first: Thumbnails, second: Thumbnails, least: float) -> list[Alike]:
    """For each picture of the first set its most alike of the second, where the correlation is at least `least`."""
    found = []
    chunk = max(1, AT_ONCE // max(1, len(second)))
    for start in range(0, len(first) if len(second) else 0, chunk):
        correlations = first[start : start + chunk] @ second.T
        best = correlations.argmax(1)
        values = np.minimum(correlations[np.arange(len(best)), best], 1.0)
        rows = np.flatnonzero(values >= least - ROUNDING)
        found += [Alike(start + int(i), int(best[i]), float(values[i])) for i in rows]
    return found
