"""The nearest neighbours of pictures by the cosine of their features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

AT_ONCE = 2**25
"""The number of cosines that are in memory at one time."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each query the rows of its nearest neighbours, the nearest first, (Q, k), and their cosines, (Q, k)."""

    rows: Rows
    cosines: npt.NDArray[np.float32]


def nearest_neighbours(features: Features, queries: Rows, count: int) -> Neighbours:
    """The `count` nearest other rows of each query row of the features (N, D); fewer if there are not so many.

    A row of zeros has the cosine 0 with all others.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.float32(1e-12))
    count, chunk = min(count, len(unit) - 1), max(1, AT_ONCE // len(unit))
    rows, cosines = np.empty((len(queries), count), np.int64), np.empty((len(queries), count), np.float32)
    for first in range(0, len(queries), chunk):
        part = slice(first, first + chunk)
        found = unit[queries[part]] @ unit.T
        found[np.arange(len(found)), queries[part]] = -np.inf  # a picture is not its own neighbour
        nearest = np.argpartition(-found, count - 1, axis=1)[:, :count]
        of_nearest = np.take_along_axis(found, nearest, 1)
        order = np.lexsort((nearest, -of_nearest), axis=1)
        rows[part] = np.take_along_axis(nearest, order, 1)
        cosines[part] = np.take_along_axis(of_nearest, order, 1)
    return Neighbours(rows, cosines)
