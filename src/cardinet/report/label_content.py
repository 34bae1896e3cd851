"""What a report shows where a picture may have several labels: the scores of the classes and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cardinet.evaluate.scores import mean
from cardinet.report import curves, number_text, scales
from cardinet.report.content import LabelOutcome
from cardinet.report.history import Line
from cardinet.runs.results import ClassFigures

DRAWN = 8
"""The most classes whose curves are drawn: those with the lowest average precision."""

ALL_CLASSES = 50
"""The table shows up to this number of classes; of more it shows the `HARDEST`, and folds the rest."""
HARDEST = 25

RATES = ("average_precision", "precision", "recall", "f1")


def label_tables(outcome: LabelOutcome) -> dict[str, Any]:
    """The table of the classes, the hardest first if there are many, with the means, and the figure of curves."""
    ranked = hardest_first(outcome.rows)
    folded = len(outcome.rows) > ALL_CLASSES
    return {
        "rows": outcome.rows,
        "hardest": ranked[:HARDEST] if folded else [],
        "means": [mean([getattr(row, key) for row in outcome.rows]) for key in RATES],
        "figure": precision_recall(outcome),
    }


def hardest_first(rows: Sequence[ClassFigures]) -> list[ClassFigures]:
    """The classes that have pictures, that with the lowest average precision first."""
    known = [row for row in rows if row.average_precision is not None]
    return sorted(known, key=lambda row: row.average_precision or 0.0)


def precision_recall(outcome: LabelOutcome) -> dict[str, Any]:
    """The precision-recall curves of the hardest classes as a figure of the page."""
    chosen = hardest_first(outcome.rows)[:DRAWN]
    places = {row.name: place for place, row in enumerate(outcome.rows)}
    lines = [
        Line(row.name, 1 + i % 7, tuple(sorted(outcome.curves[places[row.name]], key=lambda point: point[0])))
        for i, row in enumerate(chosen)
    ]
    all_ = len(chosen) == sum(row.average_precision is not None for row in outcome.rows)
    note = f"{outcome.split}, {'all classes' if all_ else f'the {len(chosen)} hardest classes'}"
    describe = "Precision against recall. " + " ".join(
        f"{row.name}: average precision {number_text.percent(row.average_precision)}." for row in chosen
    )
    drawing = curves.chart(
        lines,
        lambda values: scales.Scale("linear", min(0.0, *values), 1.0),
        describe=describe,
        tick_text=number_text.number,
        across=curves.Across("recall"),
    )
    return {"title": "Precision against recall", "note": note, "svg": drawing, "small": False}
