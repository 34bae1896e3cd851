"""The page of an answer: one self-contained HTML document in the look of the report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.data.splitting import pictures_of
from cardinet.evaluate.pictures import OpenedPictures
from cardinet.explain.answer import Answer
from cardinet.explain.figures import Bars, Chart, Dots, Figure, HeatMap, Scatter, Sheet, Table
from cardinet.explain.request import Asked
from cardinet.networks.registry import named_network
from cardinet.report.dots import draw_dots
from cardinet.report.figures import draw_bars, draw_chart, draw_heat_map, draw_scatter, is_wide, legend_of, written
from cardinet.report.page import enlarged
from cardinet.report.templating import environment

DRAWN: dict[type, Callable[[Any], Markup]] = {
    Chart: draw_chart,
    Bars: draw_bars,
    Dots: draw_dots,
    HeatMap: draw_heat_map,
    Scatter: draw_scatter,
}
"""The figures that are drawn as SVG."""

SCALED = {"linear": "", "log": "logarithmic scale", "sqrt": "square-root scale"}
"""What is said of the axis of y by its scale."""
GAP = 2
"""The room between two columns of a table, in letters."""
NARROW = 64
"""The letters of a row of a table that finds room in half of the page."""


@dataclass(frozen=True)
class About:
    """What an answer is about: the network, the model as the user named it, the data, and how it was made."""

    network: str
    model: str
    data: str
    facts: Mapping[str, str]
    notes: tuple[str, ...]
    made: str


def write_page(asked: Asked, answer: Answer, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_atomic(path, page(asked, answer))


def page(asked: Asked, answer: Answer) -> str:
    """The page of an answer as an HTML document; every text is escaped."""
    return answer_page(answer, _about(asked))


def answer_page(answer: Answer, about: About) -> str:
    """The page of an answer and what it is about."""
    template = environment().get_template("explain.html.j2")
    return template.render(a=answer, about=about, figure=figure_html).strip() + "\n"


def _about(asked: Asked) -> About:
    subject = asked.subject
    row = named_network(subject.network.spec)
    pictures = subject.opened.pictures
    data = "" if pictures is None else _data(pictures)
    facts = {"question": asked.request.question, "model": subject.name, "seed": str(subject.seed)}
    facts |= {name: setting_text(value) for name, value in asked.question.model_dump(mode="json").items()}
    name = subject.name if row is None else row.id
    request, source = asked.request, () if pictures is None else _typed(pictures)
    command = shlex.join(("cardinet", "explain", request.question, subject.name, *source, *request.options))
    made = f"Made by Cardinet {__version__}: {command}"
    return About(name, subject.name, data, facts, subject.opened.notes, made)


def _data(pictures: OpenedPictures) -> str:
    """The pictures in words; of many pictures without classes only their number."""
    count, typed = pictures_of(pictures.split, len(pictures.pictures)), _typed(pictures)
    if not pictures.source.classes:
        return typed[0] if len(pictures.pictures) == len(typed) == 1 else count
    return f"{pictures.source.text}, {count}"


def _typed(pictures: OpenedPictures) -> tuple[str, ...]:
    """The source as words of a command."""
    text = pictures.source.text
    return (text,) if pictures.source.classes else tuple(shlex.split(text))


def figure_html(figure: Figure) -> Markup:
    """A figure or table of an answer as HTML."""
    wide = _takes_all(figure)
    if isinstance(figure, Table):
        inner = _table(figure)
    elif isinstance(figure, Sheet):
        inner = _macro("sheet")(figure, enlarged)
    else:
        legend = legend_of(figure) if isinstance(figure, Bars | Chart) else Markup("")
        inner = _macro("chart")(figure.title, _note(figure), DRAWN[type(figure)](figure), legend, wide)
    return Markup('<div class="answer{}">{}</div>').format(" wide" if wide else "", inner)


def _takes_all(figure: Figure) -> bool:
    """Whether a figure takes the whole width of the page: a sheet, a map of many columns, a wide or folded table."""
    if isinstance(figure, HeatMap):
        return is_wide(figure)
    if isinstance(figure, Table):
        cells = zip(figure.columns, *_cells(figure), strict=True)
        return figure.folded or sum(max(map(len, column)) + GAP for column in cells) > NARROW
    return isinstance(figure, Sheet)


def _note(figure: Figure) -> str:
    """What stands beside a title: what the values are if the title does not say it, their scale, and the note."""
    y = getattr(figure, "y", "")
    named = isinstance(figure, Scatter) or y.lower() in figure.title.lower()
    scale = SCALED[figure.scale] if isinstance(figure, Chart) else ""
    values = ", ".join(part for part in ("" if named else y, scale) if part)
    if not values or not figure.note:
        return values or figure.note
    sentence = figure.note[:1].isupper()
    return f"{values[:1].upper()}{values[1:]}. {figure.note}" if sentence else f"{values}; {figure.note}"


def setting_text(value: Any) -> str:
    """A setting as a user would write it: "none", "true", "1,1.5,2"."""
    if isinstance(value, list):
        return ",".join(map(setting_text, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(table: Table) -> Markup:
    """The table; a long one is folded."""
    cells = _cells(table)
    columns = range(len(table.columns))
    numeric = [all(not isinstance(row[i], str) for row in table.rows) and bool(table.rows) for i in columns]
    inner = _macro("table")(table, cells, numeric)
    if table.folded:
        inner = Markup("<details><summary>{}</summary>{}</details>").format(table.title, inner)
    return inner


def _cells(table: Table) -> list[list[str]]:
    """The rows of a table as text."""
    formats = list(table.formats) + [None] * (len(table.columns) - len(table.formats))
    return [[written(value, format) for value, format in zip(row, formats, strict=True)] for row in table.rows]


def _macro(name: str) -> Callable[..., Markup]:
    macro: Callable[..., Markup] = getattr(environment().get_template("answer_parts.html.j2").module, name)
    return macro
