"""The layout: sizes of rows and columns from the texts in them, then the places of boxes and lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cardinet.draw.scene import Edge, Figure, Grid, Node, Panel
from cardinet.draw.shapes import Arrow, Dot, Drawing, Line, Point, Rectangle, Shape, Text
from cardinet.draw.text_size import balanced, text_width, wrapped

SIZE, SMALL, TITLE, HEADLINE = 12.0, 11.0, 13.0, 19.0
LEADING = 15.0
ACROSS, DOWN = 16.0, 24.0
"""The room between two columns and between two rows."""
PAD, LANE, ROUND = 7.0, 8.0, 22.0
MARGIN, GUTTER = 28.0, 34.0
WIDEST = 2.6
"""The ratio of width and height above which a figure counts as too wide."""
MOST_WAYS = 10
"""With at most so many panels every way to part them into rows is tried."""
BARE = frozenset({"note", "dots", "heading", "value", "total"})
ENDS = frozenset({"value", "total"})
"""The texts that stand at the right of their column."""


def node_size(node: Node) -> tuple[float, float]:
    """The width and the height that a node needs."""
    if node.look == "sum":
        return ROUND, ROUND
    pad = 0.0 if node.look in BARE else PAD
    bold = node.look in ("stage", "heading", "total")
    widths = [text_width(line, _size(node, i), bold=bold and i == 0) for i, line in enumerate(node.lines)]
    return max(widths) + 2 * pad, LEADING * len(node.lines) + 1.2 * pad


def _size(node: Node, line: int) -> float:
    return SMALL if node.look in ("note", "norm", "drop") or (node.look == "stage" and line > 0) else SIZE


@dataclass(frozen=True)
class Placed:
    """Shapes within (0, 0) and (width, height), and the top and bottom of each row."""

    shapes: tuple[Shape, ...]
    width: float
    height: float
    rows: tuple[tuple[float, float], ...]

    def moved(self, x: float, y: float) -> list[Shape]:
        """The shapes, moved."""
        return [_moved(shape, x, y) for shape in self.shapes]


def _moved(shape: Shape, x: float, y: float) -> Shape:
    def moved(point: Point) -> Point:
        return point[0] + x, point[1] + y

    if isinstance(shape, Rectangle):
        return replace(shape, left=shape.left + x, top=shape.top + y)
    if isinstance(shape, Line):
        return replace(shape, points=(moved(shape.points[0]), moved(shape.points[1])))
    return replace(shape, at=moved(shape.at))


class _Sheet:
    """The places of the cells of a grid, of its nodes, and the lines between them."""

    def __init__(self, grid: Grid) -> None:
        self.nodes = grid.nodes
        sizes = [node_size(node) for node in grid.nodes]
        columns = 1 + max(
            [node.column + node.span - 1 for node in grid.nodes] + [e.lane for e in grid.edges if e.lane is not None]
        )
        widths, heights = [LANE] * columns, [0.0] * (1 + max(node.row for node in grid.nodes))
        for node, (width, height) in sorted(zip(grid.nodes, sizes, strict=True), key=lambda pair: pair[0].span):
            held = range(node.column, node.column + node.span)
            lacking = width - sum(widths[i] for i in held) - ACROSS * (node.span - 1)
            for i in held:
                widths[i] += max(0.0, lacking) / node.span
            heights[node.row] = max(heights[node.row], height)
        self.lefts = _starts(widths, ACROSS)
        self.widths = widths
        tops = _starts(heights, DOWN)
        self.rows = tuple((top, top + height) for top, height in zip(tops, heights, strict=True))
        self.width, self.height = self.lefts[-1] + widths[-1], self.rows[-1][1]
        self.boxes = [self._box(node, *size) for node, size in zip(grid.nodes, sizes, strict=True)]

    def _box(self, node: Node, width: float, height: float) -> Rectangle:
        left, last = self.lefts[node.column], node.column + node.span - 1
        right = self.lefts[last] + self.widths[last]
        top, bottom = self.rows[node.row]
        if node.look in ("bar", "stage"):
            width = right - left
        start = right - width if node.look in ENDS else (left + right - width) / 2
        return Rectangle(node.look, start, (top + bottom - height) / 2, width, height)

    def line(self, edge: Edge) -> list[Point]:
        """The points of an edge."""
        start, end = self.boxes[edge.start], self.boxes[edge.end]
        x, to = self._ends_of(edge)
        first, last = start.bottom, end.top
        early = self.rows[self.nodes[edge.start].row][1] + DOWN / 2
        late = self.rows[self.nodes[edge.end].row][0] - DOWN / 2
        middle = (end.top + end.bottom) / 2
        between = x if edge.lane is None else self._middle(edge.lane)
        if edge.lane is None and edge.bend == "early":
            between = to
        points = [(x, first)]
        if between != x:
            points += [(x, early), (between, early)]
        if edge.side:
            return [*points, (between, middle), (end.left if between < to else end.right, middle)]
        if between != to:
            points += [(between, late), (to, late)]
        return [*points, (to, last)]

    def _middle(self, column: int) -> float:
        return self.lefts[column] + self.widths[column] / 2

    def _ends_of(self, edge: Edge) -> tuple[float, float]:
        """The x at which an edge leaves its start and that at which it enters its end; a bar has any x."""
        start, end = self.boxes[edge.start], self.boxes[edge.end]
        x, to = ((box.left + box.right) / 2 for box in (start, end))
        if edge.lane is not None:
            lane = self._middle(edge.lane)
            x = lane if _wide(start, lane) else x
            to = lane if _wide(end, lane) else to
        elif _wide(start, to):
            x = to
        elif _wide(end, x):
            to = x
        return (x, x) if abs(x - to) < 0.01 else (x, to)


def _wide(box: Rectangle, x: float) -> bool:
    return box.look == "bar" and box.left <= x <= box.right


def _starts(sizes: Sequence[float], gap: float) -> list[float]:
    found, at = [], 0.0
    for size in sizes:
        found.append(at)
        at += size + gap
    return found


def placed(grid: Grid) -> Placed:
    """A grid with sizes and places."""
    sheet = _Sheet(grid)
    lines = [sheet.line(edge) for edge in grid.edges]
    shapes: list[Shape] = list(_drawn_once(grid.edges, lines))
    shapes += [Dot(point) for point in _branchings(grid.edges, lines)]
    for node, frame in zip(grid.nodes, sheet.boxes, strict=True):
        shapes += _node(node, frame)
    return Placed(tuple(shapes), sheet.width, sheet.height, sheet.rows)


def _drawn_once(edges: Sequence[Edge], lines: Sequence[list[Point]]) -> Iterator[Shape]:
    """The lines with their arrows, shortcuts first; what several lines share is drawn once.

    Two lines over each other look thicker than one.
    """
    for skip in (True, False):
        look = "skip" if skip else "line"
        chosen = [points for edge, points in zip(edges, lines, strict=True) if edge.skip == skip]
        runs: dict[tuple[bool, float], list[tuple[float, float]]] = {}
        for points in chosen:
            for (x0, y0), (x1, y1) in itertools.pairwise(points):
                flat = y0 == y1
                place, ends = (y0, (x0, x1)) if flat else (x0, (y0, y1))
                runs.setdefault((flat, round(place, 2)), []).append((min(ends), max(ends)))
        for (flat, place), parts in runs.items():
            for low, high in _united(parts):
                yield Line(look, ((low, place), (high, place)) if flat else ((place, low), (place, high)))
        for x, y, from_x, from_y in dict.fromkeys((*points[-1], *points[-2]) for points in chosen):
            yield Arrow(look, (x, y), ((x > from_x) - (x < from_x), (y > from_y) - (y < from_y)))


def _united(parts: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Intervals without overlap that cover the same."""
    found: list[tuple[float, float]] = []
    for low, high in sorted(parts):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _branchings(edges: Iterable[Edge], lines: Iterable[list[Point]]) -> list[Point]:
    """The corners of a line that lie on another line from the same start."""
    by_start: dict[int, list[list[Point]]] = {}
    for edge, points in zip(edges, lines, strict=True):
        by_start.setdefault(edge.start, []).append(points)
    found: dict[Point, None] = {}
    for starts in by_start.values():
        for points in starts:
            for corner in points[1:-1]:
                if any(other is not points and _passes(other, corner) for other in starts):
                    found[corner] = None
    return list(found)


def _passes(points: Sequence[Point], at: Point) -> bool:
    """Whether a line runs through a point that is not one of its corners."""
    return any(
        min(a[0], b[0]) <= at[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= at[1] <= max(a[1], b[1]) and at not in (a, b)
        for a, b in itertools.pairwise(points)
    )


def _node(node: Node, frame: Rectangle) -> list[Shape]:
    shapes: list[Shape] = [] if node.look in BARE else [frame]
    first = (frame.top + frame.bottom - LEADING * len(node.lines)) / 2 + 0.76 * LEADING
    anchor = "end" if node.look in ENDS else "middle"
    x = frame.right if node.look in ENDS else (frame.left + frame.right) / 2
    for i, line in enumerate(node.lines):
        bold = i == 0 and node.look in ("stage", "heading", "total")
        faint = node.look == "note" or (node.look == "stage" and i > 0)
        shapes.append(Text(line, (x, first + LEADING * i), _size(node, i), anchor, bold, faint))  # type: ignore[arg-type]
    return shapes


def _framed(panel: Panel) -> Placed:
    """A panel: its title, its sentence, and its grid in a frame."""
    inner = placed(panel.grid)
    title = text_width(panel.title, TITLE, bold=True)
    about = balanced(panel.about, SMALL, max(inner.width, title, 260)) if panel.about else []
    room = max([inner.width, title, *(text_width(line, SMALL) for line in about)])
    head = 22 + LEADING * len(about) + 12
    width, height = room + 2 * 16, head + inner.height + 2 * 16
    shapes: list[Shape] = [Rectangle("panel", 0, 0, width, height), Text(panel.title, (16, 27), TITLE, bold=True)]
    shapes += [Text(line, (16, 44 + LEADING * i), SMALL, faint=True) for i, line in enumerate(about)]
    shapes += inner.moved(16 + (room - inner.width) / 2, 16 + head)
    return Placed(tuple(shapes), width, height, ())


def laid_out(figure: Figure) -> Drawing:
    """The whole figure: headline, overview at the left, panels in rows beside it, notes."""
    shapes: list[Shape] = [Text(figure.title, (MARGIN, MARGIN + HEADLINE * 0.8), HEADLINE, bold=True)]
    shapes += [Text(line, (MARGIN, MARGIN + 42 + LEADING * i), SIZE, faint=True) for i, line in enumerate(figure.about)]
    top = MARGIN + 42 + LEADING * len(figure.about) + 16
    overview = placed(figure.overview)
    frames = [_framed(panel) for panel in figure.panels]
    left = MARGIN + overview.width + (2 * GUTTER if frames else 0)
    places = _shelves(frames, left, top, overview.height) if frames else []
    for panel, at in list(zip(figure.panels, places, strict=True))[:1]:
        shapes += (
            _leaders(overview.rows[figure.rows[panel.of]], overview, top, at, frames[0]) if panel.of is not None else []
        )
    shapes += overview.moved(MARGIN, top)
    for frame, (x, y) in zip(frames, places, strict=True):
        shapes += frame.moved(x, y)
    texts = [shape.frame.right for shape in shapes if isinstance(shape, Text)]
    width = max([*texts, *(x + frame.width for frame, (x, _) in zip(frames, places, strict=True))]) + MARGIN
    bottom = max([top + overview.height, *(y + frame.height for frame, (_, y) in zip(frames, places, strict=True))])
    notes = [line for note in figure.notes for line in wrapped(note, SMALL, width - 2 * MARGIN)]
    shapes += [Text(line, (MARGIN, bottom + 34 + LEADING * i), SMALL, faint=True) for i, line in enumerate(notes)]
    width = max([width, *(shape.frame.right + MARGIN for shape in shapes if isinstance(shape, Text))])
    height = bottom + (20 + LEADING * len(notes) if notes else 0) + MARGIN
    return Drawing(figure.title, width, height, tuple(shapes))


def _shelves(frames: Sequence[Placed], left: float, top: float, least: float) -> list[Point]:
    """The places of the panels, in rows; the figure that they make has little area and is not too wide or high.

    The first rows stand beside the overview, whose height is `least`, the others below it if that is better.
    """

    def cost(places: list[Point]) -> float:
        width = max(x + frame.width for frame, (x, _) in zip(frames, places, strict=True))
        height = max([top + least, *(y + frame.height for frame, (_, y) in zip(frames, places, strict=True))])
        return width * height * max(1.0, width / height / WIDEST, height / width)

    ways = (_stacked(rows, beside, left, top, least) for rows in _rows(frames) for beside in range(1, len(rows) + 1))
    return min(ways, key=cost)


def _stacked(rows: Sequence[Sequence[Placed]], beside: int, left: float, top: float, least: float) -> list[Point]:
    """The places of panels in rows. The first `beside` rows begin at `left`, the others below the overview."""
    places: list[Point] = []
    y = top
    for i, row in enumerate(rows):
        if i == beside:
            left, y = MARGIN, max(y, top + least + GUTTER)
        places += [(left + x, y) for x in _starts([frame.width for frame in row], GUTTER)]
        y += max(frame.height for frame in row) + GUTTER
    return places


def _rows(frames: Sequence[Placed]) -> Iterator[list[list[Placed]]]:
    """Every way to part some panels, in their order, into rows. Many panels stand in rows of a fixed number."""
    if len(frames) > MOST_WAYS:
        yield [list(frames[i : i + 4]) for i in range(0, len(frames), 4)]
        return
    for cuts in range(2 ** max(0, len(frames) - 1)):
        rows: list[list[Placed]] = []
        for i, frame in enumerate(frames):
            if i == 0 or cuts >> (i - 1) & 1:
                rows.append([])
            rows[-1].append(frame)
        if rows:
            yield rows


def _leaders(row: tuple[float, float], overview: Placed, top: float, panel: Point, frame: Placed) -> list[Shape]:
    """The enlarged row of the overview, tinted, and two lines from it to the corners of its panel."""
    right = MARGIN + overview.width + 8
    high, low = top + row[0] - 5, top + row[1] + 5
    return [
        Rectangle("tint", MARGIN - 8, high, overview.width + 16, low - high),
        Line("leader", ((right, high), (panel[0], panel[1] + 6))),
        Line("leader", ((right, low), (panel[0], panel[1] + frame.height - 6))),
    ]
