"""Rows of dots as SVG: the values of each name on a common axis, with their mean."""

from __future__ import annotations

import statistics

from markupsafe import Markup

from cardinet.explain.figures import Dots
from cardinet.report import scales
from cardinet.report.curves import TOP, WIDTH
from cardinet.report.figures import svg, tick_text, written

MARGIN, ROW, FOOT = 10, 40, 40
"""The room beside the axis, for each name with its dots, and for the axis."""


def draw_dots(figure: Dots) -> Markup:
    """Each name stands above its dots, with the mean at the right; a stroke marks the mean."""
    x = scales.around_zero([value for _, values in figure.rows for value in values])
    width, height = WIDTH - 2 * MARGIN, ROW * len(figure.rows)

    def across(value: float) -> float:
        return MARGIN + width * x.position(value)

    tick, parts = tick_text(figure.format), list[Markup]()
    for value in x.ticks(6):
        place = f"{across(value):.1f}"
        parts.append(Markup('<path class="grid" d="M{},{}V{}"/>').format(place, TOP, TOP + height))
        label = Markup('<text class="tick mid" x="{}" y="{}">{}</text>')
        parts.append(label.format(place, TOP + height + 16, tick(value)))
    parts.append(Markup('<path class="axis" d="M{0:.1f},{1}V{2}"/>').format(across(0.0), TOP, TOP + height))
    for i, (name, values) in enumerate(figure.rows):
        y, mean = TOP + ROW * i + 28, statistics.fmean(values)
        text = Markup('<text class="halo ink" x="{}" y="{}">{}</text><text class="tick halo" x="{}" y="{}">{}</text>')
        parts.append(text.format(MARGIN, y - 14, name, MARGIN + width, y - 14, written(mean, figure.format)))
        parts.append(Markup('<path class="whisker" d="M{0:.1f},{1}V{2}"/>').format(across(mean), y - 8, y + 8))
        for value in values:
            dot = Markup('<circle class="dot s2" cx="{:.1f}" cy="{}" r="3.2"><title>{}: {}</title></circle>')
            parts.append(dot.format(across(value), y, name, written(value, figure.format)))
    axis = Markup('<text class="mid" x="{:.1f}" y="{}">{}</text>')
    parts.append(axis.format(MARGIN + width / 2, TOP + height + 34, figure.x))
    return svg(WIDTH, TOP + height + FOOT, f"{figure.title}: {figure.x}.", parts)
