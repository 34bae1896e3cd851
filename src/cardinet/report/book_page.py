"""The page of the claims book: every claim with its rule, its measured values and its verdict."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cardinet.base.files import write_atomic
from cardinet.explain.figures import Bar, Bars, Chart, Figure, Format, Line, Table
from cardinet.report.explain_page import figure_html
from cardinet.report.number_text import duration
from cardinet.report.templating import environment
from cardinet.reproduce.book import Finished
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.scales import SCALES

COLOURS = {"confirmed": "right", "contradicted": "wrong"}


@dataclass(frozen=True)
class Entry:
    """A claim with its result, and what the page shows of it."""

    claim: Claim
    found: Finished
    figures: Sequence[Figure]
    facts: Mapping[str, str]
    colour: str


def write_book(results: Sequence[tuple[Claim, Finished]], path: Path) -> None:
    """Write the page of some results at one scale, whole or not at all. An earlier page is replaced."""
    write_atomic(path, book_page(results))


def book_page(results: Sequence[tuple[Claim, Finished]]) -> str:
    """The page as an HTML document; every text is escaped. Raises ValueError if there are no results."""
    if not results:
        raise ValueError("a book needs at least one result")
    outcomes = [found.outcome for _, found in results]
    scale = results[0][1].scale
    counts = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
    strip: dict[str, str] = {outcome: str(count) for outcome, count in counts.items()}
    strip["time"] = duration(sum(found.seconds for _, found in results))
    versions = results[0][1].versions
    template = environment().get_template("book.html.j2")
    page = template.render(
        scale=scale,
        about=SCALES[scale].about,  # type: ignore[index]
        headline=f"{outcomes.count('confirmed')} of {len(outcomes)} claims confirmed",
        strip=strip,
        entries=[_entry(claim, found) for claim, found in results],
        figure=figure_html,
        made="Made by " + ", ".join(f"{name} {version}" for name, version in versions.items()),
    )
    return page.strip() + "\n"


def _entry(claim: Claim, found: Finished) -> Entry:
    facts = {f"printed: {one.what}": f"{one.value} ({one.certainty})" for one in claim.printed}
    facts |= {"rule": found.rule, "experiment": claim.experiment, "pictures": found.source}
    return Entry(claim, found, _figures(claim, found), facts, COLOURS.get(found.outcome, "open"))


def _figures(claim: Claim, found: Finished) -> list[Figure]:
    """The arms as lines or as bars, with the range of their seeds, and the values of every seed."""
    form: Format = "percent" if claim.percent else "number"
    columns = ("arm", *(f"seed {seed}" for seed in range(max(map(len, found.samples.values())))))
    rows = [(name, *values, *[None] * (len(columns) - 1 - len(values))) for name, values in found.samples.items()]
    formats = (None, *[form] * (len(columns) - 1))
    table = Table(claim.measures, columns, rows, formats, folded=len(rows) > 8)
    return [_lines(claim, found, form) if claim.places else _bars(claim, found, form), table]


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
    return Chart(f"{claim.measures}: mean and range of the seeds", claim.axis, claim.measures, drawn, format=form)


def _bars(claim: Claim, found: Finished, form: Format) -> Bars:
    bars = [Bar(name, statistics.fmean(values), (min(values), max(values))) for name, values in found.samples.items()]
    return Bars(f"{claim.measures}: mean and range of the seeds", "", claim.measures, bars, format=form)
