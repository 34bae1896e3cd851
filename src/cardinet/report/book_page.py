"""The page of the claims book: every claim of a scale with its rule, its measured values and its verdict."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.explain.figures import Chart, Dots, Figure, Format, Line, Table
from cardinet.report.explain_page import figure_html
from cardinet.report.number_text import duration, plural
from cardinet.report.templating import environment
from cardinet.reproduce.book import Finished
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.rules import READING, Outcome
from cardinet.reproduce.scales import find_scale

COLOURS = {"confirmed": "right", "contradicted": "wrong"}
EACH = 5
"""The most seeds whose values are written one by one; of more values there are the mean and the spread."""

Result = tuple[Claim, Finished | None]
"""A claim, and its result if it was tried."""


@dataclass(frozen=True)
class Entry:
    """A claim with its result and figures, if there are any."""

    claim: Claim
    found: Finished | None
    figures: Sequence[Figure]

    @property
    def colour(self) -> str:
        return COLOURS.get(self.found.outcome, "open") if self.found else "open"

    @property
    def outcome(self) -> str:
        return self.found.outcome if self.found else "not tried yet"

    @property
    def seeds(self) -> str:
        return str(len(self.found.seeds)) if self.found and self.found.seeds else ""


def write_book(results: Sequence[Result], path: Path, scale: str) -> None:
    """Write the page of a book, whole or not at all. An earlier page is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, book_page(results, scale))


def book_page(results: Sequence[Result], scale: str) -> str:
    """The page as an HTML document; every text is escaped. `results` are in the order of the chapters."""
    tried = [found for _, found in results if found is not None]
    outcomes = [found.outcome for found in tried]
    strip = {outcome: str(outcomes.count(outcome)) for outcome in get_args(Outcome)} if tried else {}
    if len(tried) < len(results):
        strip["not tried yet"] = str(len(results) - len(tried))
    if tried:
        strip["time"] = duration(sum(found.seconds for found in tried))
    versions = {"cardinet": __version__, **(tried[0].versions if tried else {})}
    entries = [Entry(claim, found, _figures(claim, found) if found else ()) for claim, found in results]
    chapters = itertools.groupby(entries, key=lambda entry: entry.claim.chapter)
    page = (
        environment()
        .get_template("book.html.j2")
        .render(
            scale=scale,
            about=find_scale(scale).about,
            reading=READING,
            headline=_headline(outcomes),
            strip=strip,
            chapters=[(chapter, list(group)) for chapter, group in chapters],
            figure=figure_html,
            made="Made by " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        )
    )
    return page.strip() + "\n"


def _headline(outcomes: Sequence[str]) -> str:
    if not outcomes:
        return "No claim tried yet"
    return f"{outcomes.count('confirmed')} of {plural(len(outcomes), 'claim')} confirmed"


def _figures(claim: Claim, found: Finished) -> list[Figure]:
    """The values as lines or as rows of dots, and a table of them."""
    form: Format = "percent" if claim.percent else "number"
    shown: list[Figure] = []
    if claim.places:
        shown.append(_lines(claim, found, form))
    elif rows := [(name, found.samples[name]) for name in (found.samples if claim.bars is None else claim.bars)]:
        shown.append(Dots("Measured values, with their mean", claim.measures, rows, format=form))
    return [*shown, _table(claim, found, form)]


def _table(claim: Claim, found: Finished, form: Format) -> Table:
    """The value of every seed, or mean and standard deviation where there are many values."""
    most = max(map(len, found.samples.values()))
    each = most == 1 or (most <= EACH and most == len(found.seeds))
    columns: tuple[str, ...] = ("", "values", "mean", "standard deviation")
    rows: list[Sequence[str | float | None]] = []
    if each:
        columns = ("", *(f"seed {seed}" for seed in found.seeds)) if len(found.seeds) == most else ("", "value")
    for name, values in found.samples.items():
        if not each:
            spread = statistics.stdev(values) if len(values) > 1 else None
            rows.append((name, len(values), statistics.fmean(values), spread))
        else:
            rows.append((name, *values, *[None] * (len(columns) - 1 - len(values))))
    formats = (None, *[form] * (len(columns) - 1)) if each else (None, "integer", form, form)
    return Table(_first_upper(claim.measures), columns, rows, formats)


def _lines(claim: Claim, found: Finished, form: Format) -> Chart:
    """A line through the mean of each arm at its place, as the paper draws it."""
    lines: dict[str, list[tuple[float, Sequence[float]]]] = {}
    for name, (line, x) in claim.places.items():
        lines.setdefault(line, []).append((x, found.samples[name]))
    drawn = [
        Line(
            name,
            [(x, statistics.fmean(values)) for x, values in sorted(points)],
            [(x, min(values), max(values)) for x, values in sorted(points)],
            dots=True,
        )
        for name, points in lines.items()
    ]
    return Chart(f"{_first_upper(claim.measures)}: mean and range", claim.axis, "", drawn, format=form)


def _first_upper(text: str) -> str:
    """The text with a capital at its beginning; abbreviations in it stay."""
    return text[:1].upper() + text[1:]
