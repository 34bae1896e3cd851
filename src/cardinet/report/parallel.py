"""Parallel coordinates: one upright axis for each quantity, one line across them for each thing that has them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cardinet.report.curves import LETTER, WIDTH
from cardinet.report.figures import svg
from cardinet.report.names_below import cut_name

TOP, HEIGHT, FOOT = 44.0, 300.0, 14.0
"""The room above the axes for their names, their height, and the room below."""
LEAST_GAP = 110.0
"""The least distance between two axes."""
BEND = 0.45
"""How far a line keeps the height of an axis, as a share of the distance to the next one."""


@dataclass(frozen=True)
class Axis:
    """An axis with its name and its ticks: heights from 0 to 1 with their texts."""

    name: str
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Across:
    """A line: its height at each axis from 0 to 1, what it is, and its look.

    `strength` from 0 to 1 is how much it stands out; the line with `best` is drawn over all others.
    """

    heights: Sequence[float]
    title: str
    strength: float
    best: bool = False
    dashed: bool = False


def parallel(axes: Sequence[Axis], lines: Sequence[Across], describe: str) -> Markup:
    """The drawing. It is as wide as a page, or wider if there are many axes."""
    left = 8 + LETTER * max((len(text) for _, text in axes[0].ticks), default=0)
    right = 16 + LETTER * 2
    width = max(2.0 * WIDTH, left + right + LEAST_GAP * (len(axes) - 1))
    gap = (width - left - right) / max(1, len(axes) - 1)
    at = [left + gap * place for place in range(len(axes))]

    def down(height: float) -> float:
        return TOP + HEIGHT * (1 - height)

    over = sorted(lines, key=lambda line: (line.best, line.strength))
    parts = [_line(line, [(x, down(height)) for x, height in zip(at, line.heights, strict=True)]) for line in over]
    for x, axis in zip(at, axes, strict=True):
        parts.append(Markup('<path class="axis" d="M{0:.1f},{1:.1f}V{2:.1f}"/>').format(x, TOP, TOP + HEIGHT))
        name = Markup('<text class="tick {} ink" x="{:.1f}" y="{:.1f}"><title>{}</title>{}</text>')
        side = "start" if x == at[0] else "" if x == at[-1] else "mid"
        place = 0.0 if x == at[0] else width if x == at[-1] else x
        parts.append(name.format(side, place, TOP - 22, axis.name, cut_name(axis.name)))
        for height, text in axis.ticks:
            tick = Markup(
                '<path class="axis" d="M{:.1f},{:.1f}h-4"/><text class="tick halo" x="{:.1f}" y="{:.1f}" '
                'dy=".35em">{}</text>'
            )
            parts.append(tick.format(x, down(height), x - 7, down(height), text))
    return svg(width, TOP + HEIGHT + FOOT, describe, parts)


def _line(line: Across, points: Sequence[tuple[float, float]]) -> Markup:
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        bend = BEND * (x1 - x0)
        path += f"C{x0 + bend:.1f},{y0:.1f} {x1 - bend:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
    look = "line s1" if line.best else "line s2"
    style = "stroke-width:2.6" if line.best else f"opacity:{0.12 + 0.7 * line.strength:.2f}"
    style += ";stroke-dasharray:3 4" if line.dashed else ""
    shape = Markup('<path class="{}" style="{}" d="{}"><title>{}</title></path>').format(look, style, path, line.title)
    dot = Markup('<circle class="dot s1" cx="{:.1f}" cy="{:.1f}" r="3.4"/>')
    return shape + Markup("").join(dot.format(x, y) for x, y in points if line.best)
