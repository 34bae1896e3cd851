"""The side of the training pictures in each step: that of the input, unless a method changes it during the run."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class PictureSides:
    """`changes` are pairs of a step and the side in pixels from there on; the first step is 0, and the steps rise."""

    changes: tuple[tuple[int, int], ...]

    def of_step(self, step: int) -> int:
        """The side of the pictures in the step after `step` done ones."""
        return self.changes[bisect_right(self.changes, step, key=lambda change: change[0]) - 1][1]

    @property
    def smallest(self) -> int:
        return min(side for _, side in self.changes)

    @property
    def all(self) -> tuple[int, ...]:
        """Every side, in the order of the run."""
        return tuple(dict.fromkeys(side for _, side in self.changes))

    def share(self, steps: int, largest: int) -> float:
        """The pixels of the first `steps` steps, as a share of those with pictures of side `largest` in every step."""
        ends = pairwise([*self.changes, (steps, 0)])
        pixels = sum(max(0, min(end, steps) - first) * side**2 for (first, side), (end, _) in ends)
        return pixels / (max(1, steps) * largest**2)
