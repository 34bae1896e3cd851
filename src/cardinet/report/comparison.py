"""The comparison of several runs: their results, costs, differing settings and curves, as a page and as data."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from cardinet.base.documents import to_json
from cardinet.report import curves, differences, history, number_text, scales, sentences
from cardinet.report.content import ReportContent
from cardinet.report.page import line_in_words, scale_note, tick_percent
from cardinet.report.progress import AXES, Axis, reached, with_progress
from cardinet.report.templating import environment

COLOURS = 8
CURVES = (
    ("Evaluated error", "error", False),
    ("Evaluated loss", "loss", False),
    ("Training error", "error", True),
    ("Training loss", "loss", True),
)
"""The charts: title, entry of a line, and whether it is one of the training lines."""
COLUMNS = ("run", "kind", "split", "step", "epoch", "images", "seconds", "loss", "error")


def comparison(contents: Sequence[ReportContent]) -> str:
    """A page that compares runs: tables, and curves over epochs, images seen and wall time.

    Raises ValueError when there is no run.
    """
    if not contents:
        raise ValueError("a comparison needs at least one run")
    names, lines = labels(contents), [with_progress(content) for content in contents]
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            runs=[_run(name, content, rows) for name, content, rows in zip(names, contents, lines, strict=True)],
            axes=[(axis, _figures(axis, names, lines)) for axis in AXES],
            notes=notes(contents),
            interval=sentences.error_interval,
            differences=differences.differences([content.settings for content in contents]),
        )
    )
    return page.strip() + "\n"


def labels(contents: Sequence[ReportContent]) -> list[str]:
    """A name for each run: its network, else its run folder, else with a number; the first that is unique."""
    titles = [c.title for c in contents]
    names = [c.title if titles.count(c.title) == 1 else c.run or c.title for c in contents]
    return [name if names.count(name) == 1 else f"{i}. {name}" for i, name in enumerate(names, start=1)]


def notes(contents: Sequence[ReportContent]) -> list[str]:
    """What a reader must know before the figures are compared."""
    found = []
    names = labels(contents)
    if len({content.classes for content in contents}) > 1:
        found.append("The runs have different classes, so their errors are not those of one task.")
    elif len({content.data for content in contents}) > 1:
        found.append("The runs have different pictures, so their errors are not those of one task.")
    for name, content in zip(names, contents, strict=True):
        if not any(row.get("kind") == "evaluation" for row in content.history):
            found.append(f"{name} was not evaluated while it trained, so it has no evaluated curve.")
    return found


def as_document(contents: Sequence[ReportContent]) -> dict[str, Any]:
    """The comparison as plain data: the runs with their figures and lines, the settings that differ, the notes."""
    runs = []
    for name, content in zip(labels(contents), contents, strict=True):
        rows = with_progress(content)
        run = _run(name, content, rows)
        best, counts = run["best"], content.counts
        runs.append(
            {
                "run": name,
                "folder": content.run,
                "network": content.network,
                "data": content.data,
                "classes": len(content.classes),
                "status": content.status,
                "results": {split: _outcome(o) for split, o in run["outcomes"].items()},
                "best_evaluation": None if best is None else {"epoch": best.epoch, "error": best.error},
                "params": None if counts is None else counts.params,
                "macs": None if counts is None else counts.macs,
                "model_bytes": content.model_bytes,
                "processes": content.processes,
                "epochs": run["epochs"],
                "images": run["images"],
                "seconds": run["wall"],
                "images_per_second": content.speed.training,
                "lines": [_line(row) for row in rows],
            }
        )
    changed = differences.differences([content.settings for content in contents])
    return {
        "runs": runs,
        "differences": [{"setting": row.name, "values": list(row.values)} for row in changed],
        "notes": notes(contents),
    }


def as_json(contents: Sequence[ReportContent]) -> str:
    """`as_document` as text."""
    return to_json(as_document(contents))


def as_csv(contents: Sequence[ReportContent]) -> str:
    """Every line of every run: its progress, loss and error. What is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    for name, content in zip(labels(contents), contents, strict=True):
        for row in with_progress(content):
            writer.writerow({"run": name, **_line(row)})
    return text.getvalue()


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line with its progress; `seconds` is the wall time until then."""
    kept = {key: row.get(key) for key in ("kind", "split", "step", "epoch", "images", "loss", "error")}
    return {**{key: value for key, value in kept.items() if value is not None}, "seconds": row.get("wall")}


def _outcome(outcome: Any) -> dict[str, Any]:
    return {"error": outcome.error, "wrong": outcome.wrong, "count": outcome.count, "loss": outcome.loss}


def _run(name: str, content: ReportContent, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of one run."""
    outcomes = {o.split: o for o in (content.validation, content.result) if o is not None and o.count}
    return {
        "label": name,
        "content": content,
        "shown": content.result or content.validation,
        "outcomes": outcomes,
        "best": history.lowest(content.history),
        "epochs": reached(rows, "epoch"),
        "images": reached(rows, "images"),
        "wall": reached(rows, "wall") or content.speed.seconds,
    }


def _figures(axis: Axis, names: Sequence[str], runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The charts of all runs along one axis."""
    unit, size = axis.unit(max((reached(rows, axis.key) or 0.0 for rows in runs), default=0.0))
    scaled = [
        [{**row, axis.key: row[axis.key] / size} for row in rows if row.get(axis.key) is not None] for rows in runs
    ]
    figures = []
    for title, key, trained in CURVES:
        lines = []
        for i, rows in enumerate(scaled):
            drawn = (
                [history.training(rows, key, across=axis.key)]
                if trained
                else history.evaluations(rows, key, across=axis.key)[:1]
            )
            lines += [history.Line(names[i], i % COLOURS, d.points, (), d.dots) for d in drawn if d.points]
        scale, ticks = (scales.for_error, tick_percent) if key == "error" else (scales.for_loss, number_text.number)
        describe = f"{title} against {unit}. " + " ".join(line_in_words(line, ticks, unit) for line in lines)
        drawing = curves.chart(lines, scale, describe=describe, tick_text=ticks, across=curves.Across(unit))
        if drawing:
            figures.append({"title": title, "note": scale_note(lines, scale), "svg": drawing, "small": False})
    return figures
