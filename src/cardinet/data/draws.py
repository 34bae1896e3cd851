"""The random choices of the augmentation, by name: a function of (seed, epoch, sample index, name) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.base.randomness import uniforms

DRAWS_VERSION = 2
"""The version of the augmentations' draws; run.toml records it. It grows if the same recipe would draw other numbers.

In version 1 a draw depends on its position, in version 2 on its name.
"""

Uniforms = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Draws:
    """The random draws for some samples in an epoch.

    Every draw has a name, "Class.what", and is independent of all others: a new draw shifts no other.
    """

    seed: int
    epoch: int
    index: npt.ArrayLike

    def uniform(self, name: str) -> Uniforms:
        """One draw in [0, 1) for each sample, (N,)."""
        return uniforms(self.seed, self.epoch, name, self.index)[:, 0]

    def uniform_rows(self, name: str, count: int) -> Uniforms:
        """`count` draws in [0, 1) for each sample, (N, count). A larger `count` does not change the first ones."""
        return uniforms(self.seed, self.epoch, name, self.index, count)


def whole_number(u: npt.ArrayLike, count: int) -> Whole:
    """Turn draws in [0, 1) into whole numbers that are uniform over 0 .. count - 1."""
    return np.asarray(np.floor(np.asarray(u) * count), dtype=np.int64)
