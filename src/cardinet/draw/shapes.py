"""What is drawn, with places: rectangles, circles, lines and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from cardinet.draw.text_size import text_width

Point = tuple[float, float]


@dataclass(frozen=True)
class Rectangle:
    """A box with rounded corners; `look` names its colours."""

    look: str
    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True)
class Line:
    """A line between two points."""

    look: str
    points: tuple[Point, Point]


@dataclass(frozen=True)
class Arrow:
    """The tip of a line. `along` is its direction: 1, 0 or -1 across and down."""

    look: str
    at: Point
    along: tuple[int, int]


@dataclass(frozen=True)
class Dot:
    """A point at which a line leaves another one of the same map."""

    at: Point


@dataclass(frozen=True)
class Text:
    """A line of text; `at` is on its base line, at its start, middle or end."""

    text: str
    at: Point
    size: float
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False
    faint: bool = False

    @property
    def frame(self) -> Rectangle:
        """The room of the text."""
        width = text_width(self.text, self.size, bold=self.bold)
        left = self.at[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        return Rectangle("", left, self.at[1] - 0.8 * self.size, width, self.size)


Shape: TypeAlias = Rectangle | Line | Arrow | Dot | Text


@dataclass(frozen=True)
class Drawing:
    """Shapes in the order in which they are drawn, in a view of this size."""

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]
