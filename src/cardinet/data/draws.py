"""The random choices of the augmentation, by name: a function of (seed, epoch, sample index, name) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.base.randomness import uniforms

DRAWS_VERSION = 2
"""How augmentations draw, as run.toml records it. It grows when the same recipe comes to draw other numbers.

1 were draws by their position, 2 are draws by their name.
"""

Uniforms = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Draws:
    """What is drawn for some samples in an epoch.

    Every draw has a name, "Class.what", and is independent of all others: one more shifts none of them.
    """

    seed: int
    epoch: int
    index: npt.ArrayLike

    def uniform(self, name: str) -> Uniforms:
        """One draw in [0, 1) for each sample, (N,)."""
        return uniforms(self.seed, self.epoch, name, self.index)[:, 0]

    def uniform_rows(self, name: str, count: int) -> Uniforms:
        """`count` draws in [0, 1) for each sample, (N, count). More of them change none of the first."""
        return uniforms(self.seed, self.epoch, name, self.index, count)


def whole_number(u: npt.ArrayLike, count: int) -> Whole:
    """A draw in [0, 1) as one that is uniform over 0 .. count - 1."""
    return np.asarray(np.floor(np.asarray(u) * count), dtype=np.int64)
