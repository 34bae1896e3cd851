"""The one writer of SVG: shapes with colours, in a file that needs nothing else."""

from __future__ import annotations

from xml.sax.saxutils import escape

from cardinet.draw.shapes import Arrow, Dot, Drawing, Line, Rectangle, Shape, Text

INK, FAINT, SKIP = "#1f2933", "#56616d", "#c2410c"
FILLS = {
    "conv": ("#dcebf8", "#3f78ad"),
    "norm": ("#f3f4f6", "#8b95a1"),
    "pool": ("#dff1e3", "#4a8f5c"),
    "gate": ("#fdebc8", "#b7791f"),
    "drop": ("#ffffff", "#8b95a1"),
    "linear": ("#e9e2f6", "#7b5ea7"),
    "map": ("#ffffff", "#1f2933"),
    "sum": ("#ffffff", "#1f2933"),
    "bar": ("#e5e7eb", "#56616d"),
    "stage": ("#eef4fb", "#3f78ad"),
    "panel": ("#ffffff", "#d3d9e0"),
    "tint": ("#fff4e0", "none"),
    "dot": ("#3f78ad", "none"),
    "front": ("#c2410c", "none"),
}
"""Fill and stroke of each look. They stand on white, so that the figure is the same on a dark page."""
CORNERS = {"sum": 11.0, "panel": 8.0, "map": 9.0, "dot": 2.5}
DASHED = {"drop": "3 2", "leader": "4 3"}
STROKES = {
    "line": INK,
    "skip": SKIP,
    "leader": "#9aa5b1",
    "grid": "#e2e6ea",
    "pointer": "#c6ced6",
    "axis": "#8b95a1",
    "front": SKIP,
}


def to_svg(drawing: Drawing) -> str:
    """The drawing as the text of an SVG file. The same drawing gives the same text."""
    width, height = _number(drawing.width), _number(drawing.height)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="Helvetica, Arial, sans-serif">',
            f"<title>{escape(drawing.title)}</title>",
            f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
            *map(_written, drawing.shapes),
            "</svg>\n",
        ]
    )


def _written(shape: Shape) -> str:
    if isinstance(shape, Rectangle):
        return _rectangle(shape)
    if isinstance(shape, Line):
        return _line(shape)
    if isinstance(shape, Arrow):
        return _arrow(shape)
    if isinstance(shape, Dot):
        return f'<circle cx="{_number(shape.at[0])}" cy="{_number(shape.at[1])}" r="2.6" fill="{INK}"/>'
    return _text(shape)


def _rectangle(shape: Rectangle) -> str:
    fill, stroke = FILLS[shape.look]
    dash = f' stroke-dasharray="{DASHED[shape.look]}"' if shape.look in DASHED else ""
    place = f'x="{_number(shape.left)}" y="{_number(shape.top)}"'
    size = f'width="{_number(shape.width)}" height="{_number(shape.height)}" rx="{CORNERS.get(shape.look, 4)}"'
    return f'<rect class="{shape.look}" {place} {size} fill="{fill}" stroke="{stroke}"{dash}/>'


def _line(shape: Line) -> str:
    """Its ends are square, so that two lines that meet form a corner."""
    dash = f' stroke-dasharray="{DASHED[shape.look]}"' if shape.look in DASHED else ' stroke-linecap="square"'
    path = "M" + "L".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
    return (
        f'<path class="{shape.look}" d="{path}" fill="none" stroke="{STROKES[shape.look]}" stroke-width="1.3"{dash}/>'
    )


def _arrow(shape: Arrow) -> str:
    """A triangle of its own: markers are drawn differently by different programs."""
    (x, y), (across, down) = shape.at, shape.along
    corners = [(x - 7 * across + 3.5 * side * down, y - 7 * down + 3.5 * side * across) for side in (1, -1)]
    tip = "L".join(f"{_number(a)},{_number(b)}" for a, b in [(x, y), *corners])
    return f'<path class="arrow" d="M{tip}Z" fill="{STROKES[shape.look]}"/>'


def _text(shape: Text) -> str:
    x, y = map(_number, shape.at)
    anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
    weight = ' font-weight="bold"' if shape.bold else ""
    colour = FAINT if shape.faint else INK
    start = f'<text x="{x}" y="{y}" font-size="{_number(shape.size)}"{anchor}{weight} fill="{colour}">'
    return f"{start}{escape(shape.text)}</text>"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
