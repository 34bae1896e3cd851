"""What a figure shows, without sizes: boxes in the cells of a grid, and the lines between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Look = Literal[
    "conv", "norm", "pool", "gate", "drop", "linear", "map", "sum", "bar", "stage", "note", "dots", "heading", "value",
    "total",
]  # fmt: skip
"""What a box is. Convolution; norm and activation; pool; gate or attention; random rule of training; linear layer;
feature map; circle of a sum or product; bar over all its columns; stage; text without a box (the last five).
"""


@dataclass(frozen=True)
class Node:
    """A box, or a text without a box, over `span` columns of a row."""

    lines: tuple[str, ...]
    look: Look
    column: int
    row: int
    span: int = 1


@dataclass(frozen=True)
class Edge:
    """A line from one node down to another, both by number.

    It changes its column below its start (early) or above its end (late), and runs down in the column `lane` between
    them if one is given. `side`: it enters its end from the side. `skip`: it is a shortcut.
    """

    start: int
    end: int
    bend: Literal["early", "late"] = "late"
    lane: int | None = None
    side: bool = False
    skip: bool = False


@dataclass
class Grid:
    """Nodes and edges, numbered in the order in which they were added."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def add(self, look: Look, *lines: str, column: int, row: int, span: int = 1) -> int:
        """Add a node, and return its number."""
        self.nodes.append(Node(lines, look, column, row, span))
        return len(self.nodes) - 1


@dataclass(frozen=True)
class Panel:
    """A part of a figure with its title and a sentence below it. `of` is the number of the enlarged stage, if any."""

    title: str
    grid: Grid
    about: str = ""
    of: int | None = None


@dataclass(frozen=True)
class Figure:
    """A title, sentences below it, an overview, enlarged parts beside it, and notes below all."""

    title: str
    about: tuple[str, ...]
    overview: Grid
    rows: tuple[int, ...]
    """The row of the overview's grid for each stage, by the number that `Panel.of` has."""

    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()
