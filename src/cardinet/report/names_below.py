"""The names under the columns of a figure: level where there is room, slanted where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from cardinet.report.curves import LETTER

SLANT = 60
"""The angle of slanted names, in degrees."""
LEAST_SLOT = 11
"""The least width of a column whose name is slanted. Of narrower columns only some have names, which are level."""
FEWEST_LETTERS = 4
"""A name needs at least this room, in letters."""
LONGEST = 20
"""A longer name is cut."""
LEVEL = 17
"""The height of level names."""


@dataclass(frozen=True)
class NamesBelow:
    """The names of columns of one width, `slot`: all of them slanted, or every n-th (`every`) level."""

    names: Sequence[str]
    slot: float
    slanted: bool
    every: int

    @property
    def height(self) -> float:
        """The height that the names take."""
        return (
            LEVEL if not self.slanted else 14 + math.sin(math.radians(SLANT)) * self._length(max(self.names, key=len))
        )

    @property
    def left(self) -> float:
        """The room that the names need at the left of the first column."""
        if not self.slanted:
            return 0.0
        across = math.cos(math.radians(SLANT))
        return max(across * self._length(name) - self.slot * (i + 0.5) for i, name in enumerate(self.names))

    def _length(self, name: str) -> float:
        return 0.9 * LETTER * len(name)

    def draw(self, left: float, top: float) -> list[Markup]:
        """The names below `top` of columns that begin at `left`."""
        parts = []
        for i, name in enumerate(self.names):
            x = left + self.slot * (i + 0.5)
            if self.slanted:
                shape = '<text class="tick" x="{0:.1f}" y="{1:.1f}" transform="rotate(-{2} {0:.1f} {1:.1f})">{3}</text>'
                parts.append(Markup(shape).format(x + 4, top + 11, SLANT, name))
            elif i % self.every == 0:
                parts.append(Markup('<text class="tick mid" x="{:.1f}" y="{:.1f}">{}</text>').format(x, top + 15, name))
        return parts


def names_below(names: Sequence[str], slot: float) -> NamesBelow:
    """How the names of columns are drawn. Of numbers in order every n-th is enough where there is no room for all."""
    cut = [cut_name(name) for name in names]
    counted = _in_order(cut)
    longest = max([FEWEST_LETTERS if counted else 1, *map(len, cut)])
    every = max(1, math.ceil(LETTER * longest / max(1.0, slot)))
    return NamesBelow(cut, slot, every > 1 and not counted and slot >= LEAST_SLOT, every)


def cut_name(name: str) -> str:
    """A name of at most `LONGEST` letters, with a sign where it is cut."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\u2026"


def _in_order(names: Sequence[str]) -> bool:
    """Whether the names are rising numbers, or percentages."""
    numbers = [name.rstrip("%\u00a0 ") for name in names]
    if not all(number.replace(".", "", 1).isdigit() for number in numbers):
        return False
    values = [float(number) for number in numbers]
    return all(one < other for one, other in pairwise(values))
