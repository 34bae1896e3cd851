"""Boxes one after another and side by side, placed on a grid with the lines between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from cardinet.draw.scene import Edge, Grid, Look


@dataclass(frozen=True)
class Box:
    """One box."""

    look: Look
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """Parts one after another. An empty chain is the identity, drawn as a line in a column of its own."""

    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Fork:
    """Branches side by side, joined in a box.

    With `axis` this branch goes straight on, and the others enter the join from the side. `skips` are the numbers of
    the branches that are drawn as shortcuts.
    """

    branches: tuple[Part, ...]
    join: Box
    axis: int | None = None
    skips: tuple[int, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A text between branches that stands for more of them; no line leads to it."""

    lines: tuple[str, ...]


Part: TypeAlias = Box | Chain | Fork | Beside
SUM = Box("sum", ("+",))
CONCATENATION = Box("bar", ("concatenation",))
PRODUCT = Box("sum", ("\u00d7",))


def box(look: Look, *lines: str) -> Box:
    return Box(look, lines)


def several(branch: Part, number: int, noun: str) -> tuple[Part, ...]:
    """So many equal branches; of more than three the first two, their number and the last."""
    if number <= 3:
        return (branch,) * number
    return branch, branch, Beside(("\u22ef", f"{number} {noun}", "in all")), branch


def chain(*parts: Part) -> Chain:
    """Parts one after another; chains among them become parts of this one."""
    flat: list[Part] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Chain) else (part,))
    return Chain(tuple(flat))


@dataclass(frozen=True)
class _Extent:
    """The columns left of the axis, of the axis and right of it, and the rows."""

    left: int
    axis: int
    right: int
    rows: int

    @property
    def width(self) -> int:
        return self.left + self.axis + self.right


def arranged(part: Part) -> Grid:
    """The grid of a part and all parts within it."""
    grid, size = Grid(), _extent(part)
    _place(part, grid, size.left, size.axis, 0, ())
    return grid


def _extent(part: Part) -> _Extent:
    if isinstance(part, Chain):
        sizes = [_extent(inner) for inner in part.parts]
        axis = max((size.axis for size in sizes), default=1)
        left = max((size.left - (axis - size.axis) // 2 for size in sizes), default=0)
        right = max((size.right - (axis - size.axis + 1) // 2 for size in sizes), default=0)
        return _Extent(max(left, 0), axis, max(right, 0), sum(size.rows for size in sizes))
    if isinstance(part, Fork):
        sizes = [_extent(branch) for branch in part.branches]
        rows = max(1, *(size.rows for size in sizes)) + 1
        if part.axis is None:
            return _Extent(0, sum(size.width for size in sizes), 0, rows)
        main = sizes[part.axis]
        before = sum(size.width for size in sizes[: part.axis])
        after = sum(size.width for size in sizes[part.axis + 1 :])
        return _Extent(before + main.left, main.axis, main.right + after, rows)
    return _Extent(0, 1, 0, 1)


def _place(part: Part, grid: Grid, column: int, span: int, row: int, ends: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Place a part whose axis begins at `column`; `ends` are the lines that lead to it, and the result those from it.

    A line without its end has the number -1 there.
    """
    if isinstance(part, Box):
        number = grid.add(part.look, *part.lines, column=column, row=row, span=span)
        grid.edges += [replace(edge, end=number) for edge in ends]
        return (Edge(number, -1),)
    if isinstance(part, Beside):
        grid.add("dots", *part.lines, column=column, row=row, span=span)
        return ()
    if isinstance(part, Chain):
        for inner in part.parts:
            size = _extent(inner)
            if isinstance(inner, Fork):
                shift = (span - size.axis) // 2
                ends = _place(inner, grid, column + shift, size.axis, row, ends)
            else:
                ends = _place(inner, grid, column, span, row, ends)
            row += size.rows
        return ends
    return _place_fork(part, grid, column, span, row, ends)


def _place_fork(fork: Fork, grid: Grid, column: int, span: int, row: int, ends: tuple[Edge, ...]) -> tuple[Edge, ...]:
    whole, sizes = _extent(fork), [_extent(branch) for branch in fork.branches]
    at, join = column - whole.left, row + whole.rows - 1
    joined: list[Edge] = []
    for i, (branch, size) in enumerate(zip(fork.branches, sizes, strict=True)):
        aside, skip = fork.axis not in (None, i), i in fork.skips
        first = row + (whole.rows - 1 - size.rows) // 2
        started = tuple(replace(edge, bend="early", skip=edge.skip or skip) for edge in ends)
        if size.rows == 0:
            joined += [replace(edge, lane=at, side=aside) for edge in started]
        else:
            left = _place(branch, grid, at + size.left, size.axis, first, started)
            joined += [replace(edge, side=aside, skip=skip) for edge in left]
        at += size.width
    return _place(fork.join, grid, column, span, join, tuple(joined))
