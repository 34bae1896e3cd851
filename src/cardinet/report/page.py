"""The page: `render(content)` gives one self-contained HTML document, without scripts and external resources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cardinet.evaluate import scores
from cardinet.report import confusion, curves, data_tables, history, number_text, scales, sentences
from cardinet.report.content import LabelOutcome, Mistake, Outcome, ReportContent, Sample
from cardinet.report.label_content import label_tables
from cardinet.report.templating import environment

ALL_CLASSES = 50
"""The table shows up to this number of classes. With more it shows the `HARDEST` and `EASIEST`, and folds the rest."""
HARDEST, EASIEST = 25, 5
SIDE = 144
"""The longer side of a shown picture in pixels."""


def render(content: ReportContent) -> str:
    """The report of one run as an HTML document; every text of the content is escaped."""
    shown = content.result or content.validation
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            c=content,
            r=shown,
            say=sentences,
            epochs=history.epochs(content.history),
            figures=_figures(content),
            tables=_tables(shown, content) if isinstance(shown, Outcome) else None,
            confused=data_tables.by_confusion(content.mistakes, shown.confusion) if isinstance(shown, Outcome) else [],
            labelled=label_tables(shown) if isinstance(shown, LabelOutcome) else None,
            data=_data(content),
            enlarged=enlarged,
        )
    )
    return page.strip() + "\n"


def _data(content: ReportContent) -> dict[str, Any]:
    """The table of pictures per class: all classes, or the smallest and largest and the rest folded."""
    rows = data_tables.class_counts(content.class_counts, content.classes)
    folded = len(rows) > ALL_CLASSES
    ranked = data_tables.smallest_first(rows)
    return {
        "rows": rows,
        "splits": list(content.class_counts),
        "smallest": ranked[:HARDEST] if folded else [],
        "largest": ranked[HARDEST:][-EASIEST:][::-1] if folded else [],
        "most": max((row.trained_on for row in rows), default=0) or 1,
        "all": "All labels" if content.several_labels else "All",
        "totals": [sum(split) for split in content.class_counts.values()],
    }


def enlarged(mistake: Mistake | Sample, side: int = SIDE) -> tuple[int, int, bool]:
    """The width and height of a shown picture, at most `side`, and whether its pixels stay sharp."""
    longest = max(mistake.width, mistake.height, 1)
    factor = side / longest
    return max(1, round(mistake.width * factor)), max(1, round(mistake.height * factor)), longest < side // 2


def tick_percent(value: float) -> str:
    """A share at an axis."""
    return number_text.number(float(f"{100 * value:.6g}")) + number_text.NBSP + "%"


def scale_note(lines: Sequence[history.Line], scale: Any) -> str:
    """What a reader needs to know of the axis of y; empty if it is linear."""
    values = [v for line in lines for v in line.values]
    return {"log": "logarithmic scale", "sqrt": "square-root scale", "linear": ""}[scale(values).kind]


def _figures(content: ReportContent) -> list[dict[str, Any]]:
    """The figures for which the history has data: title, note, SVG, and whether the figure is small."""
    rows = content.history
    chosen = history.best(rows)
    figures: list[dict[str, Any]] = []
    letters = max((len(line.label) for line in history.evaluations(rows, "loss")), default=0)
    large, small = curves.Room(letters=letters), curves.Room(150, letters)
    several = content.several_labels
    for key, title, scale, ticks in (
        ("loss", "Loss", scales.for_loss, number_text.number),
        ("error", "1 - mean average precision" if several else "Error", scales.for_error, tick_percent),
    ):
        trained = [] if several and key == "error" else [history.training(rows, key)]  # it counts wrong labels
        lines = [*trained, *history.evaluations(rows, key)]
        lines = [line for line in lines if line.points]
        value = getattr(chosen, key, None)
        mark = None
        if chosen is not None and lines:
            shown = number_text.percent(value) if key == "error" else number_text.significant(value)
            text = f"best, epoch {number_text.number(round(chosen.epoch, 2))}"
            mark = curves.Mark(chosen.epoch, text if value is None else f"{text}: {shown}", value)
        describe = f"{title} against epochs. " + " ".join(line_in_words(line, ticks) for line in lines)
        drawing = curves.chart(lines, scale, describe=describe, tick_text=ticks, mark=mark, room=large)
        figures.append({"title": title, "note": scale_note(lines, scale), "svg": drawing, "small": False})
    for key, title, scale in (
        ("lr", "Learning rate", scales.for_rate),
        ("images_per_second", "Training speed, images/s", scales.from_zero),
    ):
        line = history.training(rows, key)
        describe = f"{title} against epochs. {line_in_words(line, number_text.number)}" if line.points else ""
        drawing = curves.chart([line], scale, describe=describe, room=small)
        figures.append({"title": title, "note": scale_note([line], scale), "svg": drawing, "small": True})
    return [figure for figure in figures if figure["svg"]]


def line_in_words(line: history.Line, ticks: Any, across: str = "epoch") -> str:
    """A line for readers who cannot see it."""
    first, last = (ticks(float(f"{line.points[i][1]:.3g}")) for i in (0, -1))
    return f"{line.label}: from {first} to {last} at {across} {line.points[-1][0]:.4g}."


def _tables(outcome: Outcome, content: ReportContent) -> dict[str, Any]:
    """The per-class table and the confusion matrix in the form that suits the number of classes."""
    rows = scores.scores(outcome.confusion, content.classes)
    folded = len(rows) > ALL_CLASSES
    hard_first = scores.ranked(rows)
    rates = [r.miss_rate for r in rows]
    full = len(rows) <= confusion.FULL
    return {
        "rows": rows,
        "hardest": hard_first[:HARDEST] if folded else [],
        "easiest": hard_first[HARDEST:][-EASIEST:][::-1] if folded else [],
        "worst_rate": max(rates, default=0.0) or 1.0,
        "means": [scores.mean([getattr(r, key) for r in rows]) for key in ("precision", "recall", "f1")],
        "cells": confusion.cells(outcome.confusion) if full else None,
        "pairs": scores.pairs(outcome.confusion, content.classes),
        "picture": None if full else confusion.coarse_picture(outcome.confusion),
        "block": math.ceil(len(rows) / 200),
        "wide": len(rows) > 12,
        "dense": len(rows) > 16,
        "upright": max(map(len, content.classes), default=0) > (2 if len(rows) > 16 else 4),
    }
