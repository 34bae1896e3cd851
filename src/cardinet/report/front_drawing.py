"""The drawing of a front: cost against capacity, with the names of the networks on it."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence

from cardinet.base.amounts import amount
from cardinet.draw.shapes import Drawing, Line, Point, Rectangle, Shape, Text
from cardinet.draw.svg import to_svg
from cardinet.draw.text_size import text_width
from cardinet.measure.budget import CAPACITIES, COSTS
from cardinet.measure.front import Candidate, Front
from cardinet.report.number_text import short
from cardinet.report.scales import Scale, logarithmic

WIDTH, LEAST, MARGIN, LEFT, BOTTOM = 560.0, 380.0, 26.0, 74.0, 46.0
"""The plot: its width, its least height, and the room around it."""
SIZE, SMALL, HEADLINE, LEADING = 12.0, 11.0, 17.0, 17.0
DOT, MARK = 5.0, 8.0
GUTTER = 40.0
"""The room between the plot and the names beside it."""


def front_svg(front: Front) -> str:
    """The SVG of a front. The first limited kind of cost is the axis across; both axes are logarithmic."""
    return to_svg(front_drawing(front))


def front_drawing(front: Front) -> Drawing:
    """The same, with the places of all shapes."""
    cost, capacity = next(iter(front.limits)), front.capacities[0]
    everyone = [*front.on, *front.off]
    x = logarithmic([*(one.of(cost) for one in everyone), front.limits[cost]])
    y = logarithmic([one.of(capacity) for one in everyone])
    height = max(LEAST, LEADING * len(front.on) + 10)
    plot = Rectangle("plot", MARGIN + LEFT, MARGIN + 64, WIDTH, height)

    def place(one: Candidate) -> Point:
        return (
            plot.left + plot.width * x.position(one.of(cost)),
            plot.bottom - plot.height * y.position(one.of(capacity)),
        )

    limits = " and ".join(f"{COSTS[kind].title} up to {written(kind, limit)}" for kind, limit in front.limits.items())
    title = f"Networks with {limits}"
    about = (
        f"{len(front.on)} on the front of {len(everyone)} within the budget, of {front.compared} compared; pictures of "
        f"{front.input_size} \u00d7 {front.input_size} pixels; orange: on the front"
    )
    shapes: list[Shape] = [
        Text(title, (MARGIN, MARGIN + 14), HEADLINE, bold=True),
        Text(about, (MARGIN, MARGIN + 36), SIZE, faint=True),
        *_axes(plot, x, y, cost, capacity),
        *_limit(plot, x, front.limits[cost]),
        *(_mark("dot", place(one), DOT) for one in front.off),
        *(_steps([place(one) for one in front.on]) if len(front.limits) == len(front.capacities) == 1 else ()),
        *_names(front, plot, [place(one) for one in front.on], cost),
        *(_mark("front", place(one), MARK) for one in front.on),
    ]
    right = max(shape.frame.right for shape in shapes if isinstance(shape, Text))
    return Drawing(title, max(right, plot.right) + MARGIN, plot.bottom + BOTTOM + MARGIN, tuple(shapes))


def sentences(front: Front) -> list[str]:
    """What is to be known of a front: how many networks were compared, by what, and how latency was measured."""
    limits = " and ".join(f"{COSTS[kind].title} up to {written(kind, limit)}" for kind, limit in front.limits.items())
    within = len(front.on) + len(front.off)
    capacities = " and ".join(CAPACITIES[kind] for kind in front.capacities)
    found = [
        f"{len(front.on)} of {amount(within, 'network')} with {limits} are on the front; {front.compared} were "
        "compared, for "
        f"pictures of {front.input_size} x {front.input_size} pixels, equal ones as one.",
        f"A network is on the front if no other one costs at most as much and has at least its {capacities}. This is "
        "capacity, not accuracy.",
    ]
    if front.left_out:
        found.append(f"Left out for pictures of another size: {front.left_out}; see --input-size.")
    times = [one.times for one in (*front.on, *front.off) if one.times]
    if times:
        spreads = sorted((high - low) / middle for low, middle, high in (statistics.quantiles(t, n=4) for t in times))
        threads = f"{front.threads} thread{'s' * (front.threads > 1)}"
        found.append(
            f"Latency is the median of {min(map(len, times))} passes on a batch of {front.batch}, all networks in "
            f"turn, on this processor with {threads}. The typical distance between the quartiles is "
            f"{100 * statistics.median(spreads):.0f} % of the median."
        )
    if "memory" in front.limits:
        found.append(f"Memory is that of a forward pass on a batch of {front.batch}, with its weights.")
    return found


def written(kind: str, value: float) -> str:
    """A cost or capacity with its unit."""
    if kind == "latency":
        return f"{1000 * value:.3g} ms"
    if kind == "memory":
        return f"{short(value).replace(chr(160), ' ')}B"
    return f"{value:.0f} layers" if kind == "depth" else short(value).replace(chr(160), " ")


def _axes(plot: Rectangle, x: Scale, y: Scale, cost: str, capacity: str) -> Iterator[Shape]:
    """Lines at the ticks, with their values, and the titles of the axes."""
    for value in x.ticks(5):
        at = plot.left + plot.width * x.position(value)
        yield Line("grid", ((at, plot.top), (at, plot.bottom)))
        yield Text(written(cost, value), (at, plot.bottom + 17), SMALL, "middle", faint=True)
    for value in y.ticks(6):
        at = plot.bottom - plot.height * y.position(value)
        yield Line("grid", ((plot.left, at), (plot.right, at)))
        yield Text(written(capacity, value), (plot.left - 8, at + 4), SMALL, "end", faint=True)
    yield Line("axis", ((plot.left, plot.bottom), (plot.right, plot.bottom)))
    yield Text(COSTS[cost].title, (plot.left + plot.width / 2, plot.bottom + 38), SIZE, "middle")
    yield Text(CAPACITIES[capacity], (plot.left, plot.top - 8), SIZE, "start")


def _limit(plot: Rectangle, x: Scale, limit: float) -> Iterator[Shape]:
    at = plot.left + plot.width * x.position(limit)
    yield Line("leader", ((at, plot.top), (at, plot.bottom)))
    yield Text("limit", (at - 4, plot.top - 8), SMALL, "end", faint=True)


def _mark(look: str, at: Point, size: float) -> Rectangle:
    return Rectangle(look, at[0] - size / 2, at[1] - size / 2, size, size)


def _steps(points: Sequence[Point]) -> Iterator[Shape]:
    """From each network of the front to the next: the capacity stays until the cost of the next is paid."""
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        yield Line("front", ((x0, y0), (x1, y0)))
        yield Line("front", ((x1, y0), (x1, y1)))


def _names(front: Front, plot: Rectangle, points: Sequence[Point], cost: str) -> Iterator[Shape]:
    """The names at the right, the largest capacity first, each with a line to its network; they do not touch."""
    order = sorted(range(len(points)), key=lambda i: points[i][1])
    places: list[float] = []
    for i in order:
        places.append(max(points[i][1], places[-1] + LEADING if places else plot.top + 5))
    limit = plot.bottom - 2
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - LEADING
    names = {i: front.on[i].names[0] for i in order}
    names |= {i: f"{name} and {alike} alike" for i, name in names.items() if (alike := len(front.on[i].names) - 1)}
    x = plot.right + GUTTER
    after = x + max(text_width(name, SIZE) for name in names.values()) + 12
    for i, y in zip(order, places, strict=True):
        yield Line("pointer", (points[i], (plot.right + 6, y)))
        yield Line("pointer", ((plot.right + 6, y), (x - 6, y)))
        yield Text(names[i], (x, y + 4), SIZE)
        values = ", ".join(written(kind, front.on[i].of(kind)) for kind in (cost, *front.capacities))
        yield Text(values, (after, y + 4), SMALL, faint=True)
