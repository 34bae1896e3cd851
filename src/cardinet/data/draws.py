"""The random choices of the augmentation, by name: a function of (seed, epoch, sample index, name) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.base.randomness import hash64, uniforms

DRAWS_VERSION = 2
"""The version of the augmentations' draws; run.toml records it. It grows if the same recipe would draw other numbers.

In version 1 a draw depends on its position, in version 2 on its name.
"""

SMALLEST = 2.0**-54
"""In place of a draw of 0, which a continuous distribution may turn into minus infinity."""

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


def noise(u: float, count: int) -> npt.NDArray[np.uint8]:
    """Turn one draw in [0, 1) into `count` whole numbers that are uniform over 0 .. 255."""
    words = hash64(int(u * 2.0**53), np.arange(-(-count // 8)))
    return words.astype("<u8").view(np.uint8)[:count]


def normal(u: Uniforms) -> Uniforms:
    """Turn draws in [0, 1) into draws from the standard normal distribution."""
    from scipy.special import ndtri  # a slow import; scipy comes with scikit-learn

    found: Uniforms = ndtri(np.maximum(u, SMALLEST))
    return found


def gamma(u: Uniforms, shape: float) -> Uniforms:
    """Turn draws in [0, 1) into draws from the gamma distribution. Their shares of a sum follow Dirichlet's."""
    from scipy.special import gammaincinv

    found: Uniforms = gammaincinv(shape, np.maximum(u, SMALLEST))
    return found
