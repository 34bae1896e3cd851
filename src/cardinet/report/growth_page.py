"""What a benchmark along an axis has found: its table, and its page with the curves of time and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.bench.growing import Curve, Grown, Point
from cardinet.explain.answer import Answer, Section
from cardinet.explain.figures import Chart, Line, Table
from cardinet.report.bench_page import machine_facts, peaks_strip
from cardinet.report.explain_page import About, answer_page
from cardinet.report.number_text import MISSING

GROWTH_COLUMNS = ("value", "M params", "G MACs", "ms", "quartiles", "images/s", "of roofline", "peak MB")


def curve_title(curve: Curve) -> str:
    """The kind of work and the contender in words."""
    batch = f", batch {curve.work.batch}" if curve.work.batch else ""
    return f"{curve.contender}, {curve.work.measure}, {curve.work.precision}{batch}"


def growth_cells(grown: Grown, curve: Curve) -> Iterator[tuple[str, ...]]:
    """The rows of the table of a curve, the smallest value first."""
    places = dict(zip(curve.places, range(len(curve.places)), strict=True))
    for point in grown.points:
        if point.place not in places:
            continue
        at = places[point.place]
        milliseconds, (low, high), peak = curve.milliseconds[at], curve.quartiles[at], curve.peaks[at]
        share = _share(point, curve)
        yield (
            point.name,
            f"{point.counts.params / 1e6:.3g}",
            f"{point.counts.macs / 1e9:.3g}",
            f"{milliseconds:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{1000 * _batch(point, curve) / milliseconds:.4g}",
            MISSING if share is None else f"{100 * share:.0f} %",
            MISSING if peak is None else f"{peak / 1e6:.0f}",
        )


def sentences(grown: Grown, curve: Curve) -> Iterator[str]:
    """How the time and the memory of a curve grow, and where they bend."""
    for cost, found in (("The time of a pass", curve.time), ("The peak of the memory", curve.memory)):
        if found is not None:
            yield found.sentence(cost, grown.axis.about)


def write_growth_page(grown: Grown, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_atomic(path, growth_page(grown))


def growth_page(grown: Grown) -> str:
    """The page as an HTML document."""
    facts = {"over": grown.axis.about, "fixed": grown.axis.fixed, "seed": str(grown.seed), **machine_facts(grown)}
    return answer_page(
        growth_answer(grown),
        About(
            grown.model, grown.model, "", facts, grown.notes, f"Made by Cardinet {__version__}: cardinet bench --over"
        ),
    )


def growth_answer(grown: Grown) -> Answer:
    """The result as sentences, figures and tables."""
    curves = grown.curves()
    return Answer(
        title=f"What does it cost to grow in {grown.axis.about}?",
        lead=[f"{curve_title(curve)}: {' '.join(sentences(grown, curve))}" for curve in curves],
        sections=[*_charts(grown, curves), *(_section(grown, curve) for curve in curves)],
        document=grown.to_document(),
        strip=peaks_strip(grown),
        limits=(
            "The values were measured one after the other, the smallest first, on one machine on one day. A bend is "
            "where two straight lines fit the curve on logarithmic axes clearly better than one.",
        ),
    )


def _charts(grown: Grown, curves: Sequence[Curve]) -> Iterator[Section]:
    times = [_line(curve, list(zip(curve.places, curve.milliseconds, strict=True))) for curve in curves]
    peaks = [
        _line(curve, [(x, p / 1e6) for x, p in zip(curve.places, curve.peaks, strict=True) if p]) for curve in curves
    ]
    charts = [
        ("Time of a pass", "milliseconds", times),
        ("Peak of the memory", "MB", [one for one in peaks if one.points]),
    ]
    yield Section(
        f"Over {grown.axis.about}",
        (f"What stays the same: {grown.axis.fixed}.",),
        [
            Chart(title, grown.axis.about, unit, lines, scale="log", across="log", note="both axes are logarithmic")
            for title, unit, lines in charts
            if lines
        ],
    )


def _line(curve: Curve, points: list[tuple[float, float]]) -> Line:
    return Line(curve_title(curve), points, dots=True)


def _section(grown: Grown, curve: Curve) -> Section:
    title = curve_title(curve)
    table = Table("All figures", GROWTH_COLUMNS, [*growth_cells(grown, curve)])
    return Section(title, [*sentences(grown, curve)], [table])


def _batch(point: Point, curve: Curve) -> int:
    return curve.work.batch or int(point.place)


def _share(point: Point, curve: Curve) -> float | None:
    """The share of the roofline that a curve reaches at a point, where its floor is known."""
    for contest in point.contests:
        same = (contest.work.measure, contest.work.precision) == (curve.work.measure, curve.work.precision)
        if same and contest.work.batch == _batch(point, curve) and curve.contender in contest.times:
            return contest.share(curve.contender)
    return None
