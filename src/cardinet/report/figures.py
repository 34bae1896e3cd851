"""The figures of an answer as SVG; CSS classes colour them, so that they follow the mode of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from markupsafe import Markup

from cardinet.explain.figures import Bars, Chart, Format, HeatMap, Scatter
from cardinet.report import number_text, scales
from cardinet.report.curves import BOTTOM, LEFT, LETTER, TOP, WIDTH, Across, Mark, chart
from cardinet.report.history import Line
from cardinet.report.names_below import LEVEL, LONGEST, cut_name, names_below
from cardinet.report.scales import Scale

SCALES: dict[str, Callable[[list[float]], Scale]] = {
    "linear": scales.linear,
    "log": scales.logarithmic,
    "sqrt": partial(scales.from_zero, kind="sqrt"),
}
"""The axes of y by their names in `Chart`."""
HEIGHT = 300
COLOURS = 8
"""The number of series with a colour of their own (style.css, .s0 to .s7)."""
LEAST_CELL = 14
"""The least width of a cell of a heat map in half of a page."""
SCALE, SHADES = 16, 7
"""The height of the scale below a heat map, and the number of its shades."""
WIDEST_CELL, HIGHEST_CELL = 32.0, 22.0
"""The largest cell of a heat map."""
SMALL = 1e-3
"""A smaller value is written as a power of ten."""
LONGEST_AT_LINE = 15
"""Longer names of lines, in letters, stand below a chart."""
NEAR = 0.2
"""The axis of x begins at 0 if its first value is below this share of the last one."""
ENLARGED = 1.1
"""How much a figure is enlarged on a page of full width."""


def written(value: float | str | None, format: Format | None) -> str:
    """A value of a figure or table as text."""
    if value is None:
        return number_text.MISSING
    if isinstance(value, str):
        return value
    if format == "percent":
        return number_text.percent(float(value))
    if format == "integer" or isinstance(value, int):
        return f"{value:,.0f}"
    small = 0 < abs(value) < SMALL
    return number_text.number(float(f"{value:.3g}")) if small else number_text.significant(float(value), 4)


def tick_text(format: Format) -> Callable[[float], str]:
    """How a value is written at an axis."""
    if format == "percent":
        return lambda value: f"{number_text.number(float(f'{100 * value:.6g}'))}{number_text.NBSP}%"
    return number_text.number


def draw_chart(figure: Chart) -> Markup:
    """Lines with their bands."""
    lines = [
        Line(line.label, _colour(i, len(figure.lines)), tuple(line.points), tuple(line.band), line.dots)
        for i, line in enumerate(figure.lines)
    ]
    xs = [x for line in figure.lines for x, _ in line.points]
    near_zero = bool(xs) and 0 <= min(xs) <= NEAR * max(xs)
    describe = f"{figure.title}: {figure.y} against {figure.x}."
    return chart(
        lines,
        SCALES[figure.scale],
        describe=describe,
        tick_text=tick_text(figure.format),
        across=Across(figure.x, near_zero, figure.level, figure.across == "log"),
        mark=None if figure.mark is None else Mark(figure.mark[0], figure.mark[2], figure.mark[1]),
        named=not _has_long_names(figure),
    )


def _has_long_names(figure: Chart) -> bool:
    """Whether the names of lines stand below a chart, as they would take too much of its width."""
    lines = [line for line in figure.lines if line.points]
    return len(lines) > 1 and max(len(line.label) for line in lines) > LONGEST_AT_LINE


def _colour(index: int, count: int) -> int:
    """A single series has the colour of the evaluation, several have those of the runs."""
    return 2 if count == 1 else (index + 1) % COLOURS


def draw_bars(figure: Bars) -> Markup:
    """Bars in a row; those with one label stand side by side."""
    labels = list(dict.fromkeys(bar.label for bar in figure.bars))
    series = max((bar.series for bar in figure.bars), default=0) + 1
    values = [v for bar in figure.bars for v in (bar.value, *(bar.spread or ()))]
    values += [figure.level[0]] if figure.level else []
    y = scales.around_zero(values)
    width, height = WIDTH - LEFT - 14, HEIGHT - TOP - BOTTOM
    slot = width / max(1, len(labels))
    thick = slot * (0.8 if slot > 4 else 1.0) / series

    def down(value: float) -> float:
        return TOP + height * (1 - y.position(value))

    parts = _value_axis(y, down, width, tick_text(figure.format))
    for bar in figure.bars:
        x = LEFT + slot * labels.index(bar.label) + (slot - thick * series) / 2 + thick * bar.series
        top, foot = sorted((down(bar.value), down(0.0)))
        title = f"{bar.label}: {written(bar.value, figure.format)}"
        style = f"s{_colour(bar.series, series)}"
        shape = Markup(
            '<rect class="fill {}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>'
        )
        parts.append(shape.format(style, x, top, max(thick, 0.5), max(foot - top, 0.3), title))
        if bar.spread is not None:
            middle = x + thick / 2
            low, high = down(bar.spread[0]), down(bar.spread[1])
            parts.append(Markup('<path class="whisker" d="M{0:.2f},{1:.2f}V{2:.2f}"/>').format(middle, low, high))
    names = names_below(labels, slot)
    parts += names.draw(LEFT, TOP + height + 2)
    parts.append(_text(LEFT + width / 2, TOP + height + names.height + 16, figure.x))
    if figure.level is not None:
        at = down(figure.level[0])
        parts.append(Markup('<path class="mark" d="M{},{:.1f}H{:.1f}"/>').format(LEFT, at, LEFT + width))
    return svg(WIDTH, HEIGHT + names.height - LEVEL, f"{figure.title}: {figure.y} by {figure.x}.", parts)


def legend_of(figure: Bars | Chart) -> Markup:
    """The colours of several series, and the name of the dotted level; empty if there is nothing to explain.

    It stands below the figure. Names among bars would be hidden, and long names of lines would take their room.
    """
    if isinstance(figure, Chart):
        count = len(figure.lines)
        shown = enumerate(figure.lines) if _has_long_names(figure) else ()
        series = [(_colour(i, count), line.label) for i, line in shown if line.points]
        level = None
    else:
        series = [(_colour(i, 2), name) for i, name in enumerate(figure.series if len(figure.series) > 1 else ())]
        level = figure.level
    entry = Markup('<span class="entry"><span class="swatch s{}"></span>{}</span>')
    parts = [entry.format(colour, name) for colour, name in series]
    if level is not None:
        text = f"{level[1]}, {written(level[0], figure.format)}"
        parts.append(Markup('<span class="entry"><span class="dotted"></span>{}</span>').format(text))
    return Markup('<p class="legend">{}</p>').format(Markup("").join(parts)) if parts else Markup("")


def _value_axis(y: Scale, down: Callable[[float], float], width: float, tick: Callable[[float], str]) -> list[Markup]:
    parts = []
    for value in y.ticks(6):
        at = f"{down(value):.1f}"
        parts.append(Markup('<path class="grid" d="M{},{}H{:.1f}"/>').format(LEFT, at, LEFT + width))
        parts.append(Markup('<text class="tick" x="{}" y="{}" dy=".35em">{}</text>').format(LEFT - 8, at, tick(value)))
    parts.append(Markup('<path class="axis" d="M{},{:.1f}H{:.1f}"/>').format(LEFT, down(0.0), LEFT + width))
    return parts


def _text(x: float, y: float, text: str) -> Markup:
    return Markup('<text class="tick mid" x="{:.1f}" y="{:.1f}">{}</text>').format(x, y, text)


def is_wide(figure: HeatMap) -> bool:
    """Whether a map needs the whole width of a page; else its cells have room enough in half of it."""
    return len(figure.columns) * LEAST_CELL > WIDTH - _room(figure)


def _room(figure: HeatMap) -> float:
    """The width of the names of the rows."""
    return min(LONGEST, max([2, *map(len, figure.rows)])) * LETTER + 6


def draw_heat_map(figure: HeatMap) -> Markup:
    """Cells in rows and columns, shaded by value; above and below the middle in two colours. A row of cells below them
    is their scale. It is as wide as its cells need.
    """
    middle, low, high = _ends(figure)
    reach = max(high - middle, middle - low) or 1.0
    room, total = _room(figure), (2 if is_wide(figure) else 1) * WIDTH
    wide = max(3.0, min(WIDEST_CELL, (total - room - 10) / max(1, len(figure.columns))))
    tall = min(HIGHEST_CELL, wide)
    foot = TOP + tall * len(figure.rows)
    names = names_below(figure.columns, wide)
    room = max(room, names.left)

    def cell(x: float, y: float, value: float, title: str) -> Markup:
        shape = Markup(
            '<rect class="cell {}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" style="--v:{:.3f}">'
            "<title>{}</title></rect>"
        )
        colour, shade = "s1" if value >= middle else "s2", min(1.0, abs(value - middle) / reach)
        return shape.format(colour, x, y, wide * 0.96, tall * 0.96, shade, title)

    parts = []
    for i, (name, row) in enumerate(zip(figure.rows, figure.values, strict=True)):
        y = TOP + tall * i
        if tall >= 10 or i % max(1, round(12 / tall)) == 0:
            label = Markup('<text class="tick" x="{:.1f}" y="{:.1f}" dy=".35em">{}</text>')
            parts.append(label.format(room - 6, y + tall / 2, cut_name(name)))
        for j, value in enumerate(row):
            if value is not None:
                title = f"{name}, {figure.columns[j]}: {written(value, figure.format)}"
                parts.append(cell(room + wide * j, y, value, title))
    parts += names.draw(room, foot)
    scale = _heat_scale((_end(low, figure.format), _end(high, figure.format)), figure.middle is None, room)
    parts.append(Markup('<g transform="translate(0 {:.1f})">{}</g>').format(foot + names.height + 16, scale))
    describe = f"{figure.title}: a map of {len(figure.rows)} by {len(figure.columns)} values."
    width = max(room + wide * len(figure.columns) + 10, room + LETTER * 20 + 16 * SHADES)
    size = (math.ceil(min(width, total)), foot + names.height + 16 + SCALE)
    return svg(*size, describe, parts, most=True)


def _ends(figure: HeatMap) -> tuple[float, float, float]:
    """The value without a colour, and the values at both ends of the scale."""
    known = [v for row in figure.values for v in row if v is not None]
    if figure.middle is not None:
        reach = max((abs(v - figure.middle) for v in known), default=0.0) or 1.0
        return figure.middle, figure.middle - reach, figure.middle + reach
    low, high = figure.ends or (min(known, default=0.0), max(known, default=1.0))
    return low, low, high


def _end(value: float, format: Format) -> str:
    """A value at the end of a scale."""
    return tick_text(format)(float(f"{value:.3g}"))


def _heat_scale(ends: tuple[str, str], one_sided: bool, left: float) -> Markup:
    """The scale of a map: shades between the texts of its lowest and its highest value."""
    start = left + LETTER * len(ends[0]) + 6
    shape = Markup('<rect class="cell {}" x="{:.1f}" y="0" width="15" height="10" style="--v:{:.3f}"/>')
    parts = []
    for k in range(SHADES):
        shade = k / (SHADES - 1) if one_sided else 2 * k / (SHADES - 1) - 1
        parts.append(shape.format("s1" if shade >= 0 else "s2", start + 16 * k, abs(shade)))
    for style, x, text in (("tick", start - 6, ends[0]), ("tick start", start + 16 * SHADES + 6, ends[1])):
        parts.append(Markup('<text class="{}" x="{:.1f}" y="0" dy=".8em">{}</text>').format(style, x, text))
    return Markup("").join(parts)


def draw_scatter(figure: Scatter) -> Markup:
    """Points of a plane, coloured by group, with the group's name at its middle."""
    xs = [x for _, points in figure.groups for x, _ in points] or [0.0]
    ys = [y for _, points in figure.groups for _, y in points] or [0.0]
    side, air = WIDTH, 24.0
    span_x, span_y = max(xs) - min(xs) or 1.0, max(ys) - min(ys) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return air + (x - min(xs)) / span_x * (side - 2 * air), air + (max(ys) - y) / span_y * (side - 2 * air)

    parts, names = [], []
    for i, (group, points) in enumerate(figure.groups):
        style = f"s{(i + 1) % COLOURS}"
        shape = style if i < COLOURS else f"open {style}"  # a colour that comes again has another shape
        for x, y in points:
            dot = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.2"><title>{}</title></circle>')
            parts.append(dot.format(shape, *at(x, y), group))
        if points and len(figure.groups) <= 3 * COLOURS:
            middle = [sorted(values)[len(points) // 2] for values in zip(*points, strict=True)]
            name = Markup('<text class="name mid halo {}" x="{:.1f}" y="{:.1f}">{}</text>')
            names.append(name.format(style, *at(middle[0], middle[1]), group))
    return svg(side, side, f"{figure.title}: {len(xs)} points in {len(figure.groups)} groups.", parts + names)


def svg(width: float, height: float, describe: str, parts: Sequence[Markup], *, most: bool = False) -> Markup:
    """A drawing with its description for those who cannot see it. With `most` it is not enlarged more than others."""
    style = Markup(' style="max-width:{:.0f}px"').format(ENLARGED * width) if most else Markup("")
    return Markup('<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"{}>{}</svg>').format(
        width, height, describe, style, Markup("").join(parts)
    )
