"""Figures and tables as data. `report` draws them; a notebook or a server may draw them in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Band = tuple[float, float, float]
Format = Literal["number", "percent", "integer"]
"""How a value is written: with four digits, as a percentage (0.25 is 25 %), or as a whole number."""


@dataclass(frozen=True)
class Line:
    """A named line through points (x, y) in order of x; `band` is (x, lowest, highest), `dots` marks the points."""

    label: str
    points: Sequence[Point]
    band: Sequence[Band] = ()
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis. `scale` is that of y; sqrt spreads small values and includes 0.

    `level` is a value of y with its name, drawn across the chart, such as the error of chance. `mark` is a point (x, y)
    with its name, such as the best one. `across` is the scale of x.
    """

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    note: str = ""
    format: Format = "number"
    scale: Literal["linear", "log", "sqrt"] = "linear"
    level: tuple[float, str] | None = None
    mark: tuple[float, float, str] | None = None
    across: Literal["linear", "log"] = "linear"


@dataclass(frozen=True)
class Bar:
    """A bar of one series; `spread` is its lowest and highest value."""

    label: str
    value: float
    spread: tuple[float, float] | None = None
    series: int = 0


@dataclass(frozen=True)
class Bars:
    """Bars in a row. Bars with the same label stand side by side, one for each of `series`."""

    title: str
    x: str
    y: str
    bars: Sequence[Bar]
    series: Sequence[str] = ()
    note: str = ""
    format: Format = "number"
    level: tuple[float, str] | None = None


@dataclass(frozen=True)
class Dots:
    """A row of dots for each name: its values on a common axis, with their mean. For few values, such as one a seed."""

    title: str
    x: str
    rows: Sequence[tuple[str, Sequence[float]]]
    note: str = ""
    format: Format = "number"


@dataclass(frozen=True)
class HeatMap:
    """A map of values by row and column; None is an empty cell.

    With a `middle`, the value without a colour, values above and below it have different colours. Without one the
    colour grows from the lowest value to the highest, or between `ends`.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    note: str = ""
    format: Format = "number"
    middle: float | None = None
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Scatter:
    """Points of a plane in named groups. Without axes only their distances have a meaning."""

    title: str
    groups: Sequence[tuple[str, Sequence[Point]]]
    x: str = ""
    y: str = ""
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as PNG with its lines of caption. `right` colours the caption: a right or a wrong answer."""

    png: bytes
    width: int
    height: int
    caption: Sequence[str] = ()
    right: bool | None = None


@dataclass(frozen=True)
class Sheet:
    """Rows of pictures. `columns` are headings over the pictures of a row; `legend` explains their colours.

    `bar` is the scale of the colours, from left to right, with the values at its two ends as its caption. `large`
    pictures are shown as large as the page allows, for sheets of up to three columns.
    """

    title: str
    rows: Sequence[Sequence[Picture]]
    columns: Sequence[str] = ()
    legend: str = ""
    bar: Picture | None = None
    note: str = ""
    large: bool = False


@dataclass(frozen=True)
class Table:
    """A table. A column is right-aligned if its values are numbers. `formats` names how the numbers are written."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]
    formats: Sequence[Format | None] = ()
    note: str = ""
    folded: bool = False


Figure = Chart | Bars | Dots | HeatMap | Scatter | Sheet | Table
