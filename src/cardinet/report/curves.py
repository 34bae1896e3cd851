"""Curves as inline SVG. CSS classes (`s0`, `s1`, ...) colour them, so that they follow the mode of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cardinet.report import number_text
from cardinet.report.history import Line
from cardinet.report.scales import Scale

WIDTH, LEFT, TOP, BOTTOM = 480, 46, 20, 36
LETTER = 7.7
"""The mean width of a letter at the font size of the labels, 12; a little too large on purpose."""


@dataclass(frozen=True)
class Mark:
    """A vertical hairline at x with a text, and a ring at (x, y) if y is given."""

    x: float
    text: str
    y: float | None = None


@dataclass(frozen=True)
class Across:
    """The axis of x, which may be logarithmic, and the `level` of y that is drawn across the chart with its name."""

    name: str
    from_zero: bool = True
    level: tuple[float, str] | None = None
    log: bool = False


EPOCHS = Across("epoch")


@dataclass(frozen=True)
class Room:
    """The height of a chart, and the letters that are kept free at its right at least.

    With the same letters, charts one below another have the same axis.
    """

    height: int = 300
    letters: int = 0


USUAL = Room()


@dataclass(frozen=True)
class Frame:
    """The plot area in SVG units and its two axes. `whole` says that x counts, such as units: its ticks are whole."""

    x: Scale
    y: Scale
    width: float
    height: float
    whole: bool = False

    def across(self, x: float) -> float:
        return LEFT + self.width * self.x.position(x)

    def down(self, y: float) -> float:
        low = self.y.low if self.y.kind != "log" else max(self.y.low, 1e-300)
        return TOP + self.height * (1 - self.y.position(max(y, low)))

    def path(self, line: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self.across(x):.1f},{self.down(y):.1f}" for x, y in line)


def chart(
    lines: Sequence[Line],
    scale: Callable[[list[float]], Scale],
    *,
    describe: str,
    tick_text: Callable[[float], str] = number_text.number,
    mark: Mark | None = None,
    room: Room = USUAL,
    across: Across = EPOCHS,
    named: bool = True,
) -> Markup:
    """A chart of lines; several lines have names at their ends, if they are `named`. Without any point it is empty.

    `describe` is the text alternative.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return Markup("")
    y = scale([value for line in lines for value in line.values])
    ends = [x for line in lines for x, _ in line.points]
    low = 0.0 if across.from_zero else min(ends)
    x_scale = Scale("linear", low, max(ends) if max(ends) > low else low + 1.0)
    if across.log:
        x_scale = Scale("log", min(ends), max(ends) if max(ends) > min(ends) else 10 * min(ends))
    named = named and len(lines) > 1
    longest = max([room.letters, *(len(_clipped(line.label)) for line in lines if named)])
    right = 14 + LETTER * longest
    whole = all(x == int(x) for x in ends)
    frame = Frame(x_scale, y, WIDTH - LEFT - right, room.height - TOP - BOTTOM, whole)
    parts = [*_axes(frame, tick_text, across.name), *_mark_line(frame, mark)]
    if across.level is not None:
        parts.extend(_level(frame, across.level))
    for line in lines:
        parts.extend(_line(frame, line, tick_text, across.name))
    parts.extend(_mark_ring(frame, mark))
    if named:
        parts.extend(_labels(frame, lines))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, room.height, describe, Markup("").join(parts)
    )


def _clipped(text: str, most: int = 24) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _level(frame: Frame, level: tuple[float, str]) -> list[Markup]:
    """A hairline across the plot at a value of y, with its name, if the value is in the plot."""
    value, name = level
    if not frame.y.low <= value <= frame.y.high:
        return []
    at = frame.down(value)
    return [
        Markup('<path class="mark" d="M{},{:.1f}H{:.1f}"/>').format(LEFT, at, LEFT + frame.width),
        Markup('<text class="tick ink" x="{:.1f}" y="{:.1f}">{}</text>').format(LEFT + frame.width, at - 5, name),
    ]


def _axes(frame: Frame, tick_text: Callable[[float], str], name: str) -> list[Markup]:
    """Horizontal hairlines at the ticks of y, small ticks along x, and the name of x."""
    parts = []
    end, floor = LEFT + frame.width, TOP + frame.height
    for value in frame.y.ticks(6 if frame.height > 150 else 4):
        at = f"{frame.down(value):.1f}"
        parts.append(Markup('<path class="grid" d="M{},{}H{:.1f}"/>').format(LEFT, at, end))
        text = tick_text(value)
        parts.append(Markup('<text class="tick" x="{}" y="{}" dy=".35em">{}</text>').format(LEFT - 8, at, text))
    parts.append(Markup('<path class="axis" d="M{},{}H{:.1f}"/>').format(LEFT, floor, end))
    ticks = frame.x.ticks(6)
    for value in [x for x in ticks if x == int(x)] if frame.whole else ticks:
        at = f"{frame.across(value):.1f}"
        parts.append(Markup('<path class="axis" d="M{},{}v4"/>').format(at, floor))
        parts.append(_centred(at, floor + 17, number_text.number(value)))
    parts.append(_centred(f"{LEFT + frame.width / 2:.1f}", floor + 33, name))
    return parts


def _centred(x: str, y: float, text: str) -> Markup:
    return Markup('<text class="tick mid" x="{}" y="{}">{}</text>').format(x, y, text)


def _line(frame: Frame, line: Line, tick_text: Callable[[float], str], name: str) -> list[Markup]:
    parts = []
    style = f"s{line.style}"
    if line.band:
        outline = [(x, high) for x, _, high in line.band] + [(x, low) for x, low, _ in reversed(line.band)]
        parts.append(Markup('<path class="band {}" d="{}Z"/>').format(style, frame.path(outline)))
    if len(line.points) > 1:
        parts.append(Markup('<path class="line {}" d="{}"/>').format(style, frame.path(line.points)))
    if line.dots or len(line.points) == 1:
        dot = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.4"><title>{}</title></circle>')
        for x, y in line.points:
            title = f"{line.label}, {name} {x:.4g}: {tick_text(float(f'{y:.4g}'))}"
            parts.append(dot.format(style, frame.across(x), frame.down(y), title))
    return parts


def _mark_line(frame: Frame, mark: Mark | None) -> list[Markup]:
    """The hairline of the mark; its text stands above the plot, shifted to stay within it."""
    if mark is None:
        return []
    at = frame.across(mark.x)
    half = LETTER * len(mark.text) / 2
    middle = min(max(at, LEFT + half), LEFT + frame.width - half)
    return [
        Markup('<path class="mark" d="M{:.1f},{}V{:.1f}"/>').format(at, TOP - 4, TOP + frame.height),
        Markup('<text class="tick mid ink" x="{:.1f}" y="{}">{}</text>').format(middle, TOP - 9, mark.text),
    ]


def _mark_ring(frame: Frame, mark: Mark | None) -> list[Markup]:
    if mark is None or mark.y is None:
        return []
    ring = Markup('<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="6"/>')
    return [ring.format(frame.across(mark.x), frame.down(mark.y))]


def _labels(frame: Frame, lines: Sequence[Line], gap: float = 15.0) -> list[Markup]:
    """The name of each line at its end. Names that would touch are moved apart, within the plot."""
    ends = sorted((frame.down(line.points[-1][1]), i) for i, line in enumerate(lines))
    places: list[float] = []
    for at, _ in ends:
        places.append(max(at, places[-1] + gap) if places else max(at, TOP + 4.0))
    limit = TOP + frame.height
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - gap
    labels = []
    for place, (_, i) in zip(places, ends, strict=True):
        x = frame.across(lines[i].points[-1][0]) if len(lines) == 2 else LEFT + frame.width
        x = max(x, LEFT + frame.width * 0.5) + 10
        text = Markup('<text class="name s{}" x="{:.1f}" y="{:.1f}" dy=".35em">{}</text>')
        labels.append(text.format(lines[i].style, x, place, _clipped(lines[i].label)))
    return labels
