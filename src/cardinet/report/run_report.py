"""The report.html of a run folder."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_new_file
from cardinet.measure.counts import count
from cardinet.report.comparison import as_csv, as_json, comparison
from cardinet.report.content import (
    Counts,
    DataFinding,
    LabelOutcome,
    Mistake,
    Outcome,
    ReportContent,
    Sample,
    Speed,
    Stage,
)
from cardinet.report.page import render
from cardinet.report.sentences import augmentation
from cardinet.runs.data_sheet import DataSheet, read_data_sheet
from cardinet.runs.folder import RunFolder, RunRecord
from cardinet.runs.model_file import empty_network, structure
from cardinet.runs.recorded_settings import as_text, plain_settings
from cardinet.runs.results import Results, ShownMistake, read_results
from cardinet.runs.toml_writer import dumps


def write_report(folder: RunFolder) -> Path:
    """Write the report of a run, finished or not, from the files in its folder. Return its path."""
    write_atomic(folder.report, render(collect(folder)))
    return folder.report


def write_reports(runs: Sequence[Path], out: Path | None = None) -> tuple[Path, ...]:
    """Write the report of one run, or a page that compares several, to `out` or to its usual place.

    A comparison is also written as JSON and as CSV beside the page. Return the paths, the page first. Raises
    RequestError or WorkError with all faults of the runs and of the place.
    """
    findings, contents = Findings(), []
    for path in runs:
        with findings:
            contents.append(collect(RunFolder(path)))
    with findings:
        if out is not None and (out.suffix.lower() != ".html" or out.is_dir()):
            raise RequestError(f"{out} cannot be the report; give a file name that ends in .html.")
        if out is not None:
            check_new_file(out, replaces=True)
    findings.raise_if_any()
    if len(runs) == 1:
        written = out or RunFolder(runs[0]).report
        write_atomic(written, render(contents[0]))
        return (written,)
    page = out or Path("comparison.html")
    texts = {page: comparison(contents), page.with_suffix(".json"): as_json(contents)}
    texts[page.with_suffix(".csv")] = as_csv(contents)
    for path, text in texts.items():
        write_atomic(path, text)
    return tuple(texts)


def collect(folder: RunFolder) -> ReportContent:
    """The content of a run's report. Raises WorkError if a file of the run is damaged."""
    record = folder.record()
    rows = folder.rows()
    try:
        return _content(folder, record, rows, read_results(folder.evaluation))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise WorkError(
            f"{folder.path} is damaged: its metrics.jsonl, data.json or evaluation.json lacks a value ({reason})."
        ) from error


def _content(
    folder: RunFolder, record: RunRecord, rows: list[dict[str, Any]], results: Results | None
) -> ReportContent:
    outcomes = {} if results is None else _outcomes(results, _checkpoint(record, results))
    sheet = read_data_sheet(folder.data)
    return ReportContent(
        network=record.network,
        run=str(folder.path),
        data=record.source,
        classes=record.classes,
        command=record.command,
        created=record.created,
        version=record.versions["cardinet"],
        status=_status(record, rows, results is not None),
        result=outcomes.get("test"),
        validation=outcomes.get("validation"),
        history=tuple(rows),
        mistakes=() if results is None else tuple(_mistake(m, record.classes) for m in results.mistakes),
        **({} if sheet is None else _pictures(sheet)),
        augmentation=augmentation(record.augmentation),
        counts=_counts(folder, record),
        speed=_speed(rows),
        recipe=dumps(record.recipe),
        batch_size=_batch_size(record),
        processes=record.ranks,
        model_bytes=folder.model.stat().st_size if folder.model.is_file() else None,
        settings={name: as_text(value) for name, value in plain_settings(record).items()},
        versions=record.versions,
        hardware={
            **record.hardware,
            "device": record.device,
            "precision": record.precision,
            "threads": str(record.threads),
        },
        warnings=(*record.notes, *_remarks(record)),
    )


def _batch_size(record: RunRecord) -> int | None:
    """The pictures of a step; a batch is not larger than the training data."""
    size = record.recipe.get("training", {}).get("batch_size")
    return min(size, record.pictures.get("train", size)) if isinstance(size, int) else None


def _checkpoint(record: RunRecord, results: Results) -> str:
    epoch = results.step / record.steps_per_epoch
    if "validation" in record.pictures:
        return f"best on validation, epoch {epoch:g}"
    return f"last, epoch {epoch:g}"


def _status(record: RunRecord, rows: list[dict[str, Any]], evaluated: bool) -> str:
    step = max((row["step"] for row in rows), default=0)
    if evaluated and any(row.get("ends") for row in rows):
        return f"ended early at step {step} of {record.steps}"
    return "finished" if evaluated and step >= record.steps else f"stopped at step {step} of {record.steps}"


def _outcomes(results: Results, checkpoint: str) -> dict[str, Outcome | LabelOutcome]:
    return {name: _outcome(results, name, checkpoint) for name in results.results}


def _outcome(results: Results, name: str, checkpoint: str) -> Outcome | LabelOutcome:
    figures = results.results[name]
    common: dict[str, Any] = {"split": name, "checkpoint": checkpoint}
    common |= {key: getattr(figures, key) for key in ("count", "total", "wrong", "loss")}
    if figures.mean_average_precision is not None:
        return LabelOutcome(
            **common,
            mean_average_precision=figures.mean_average_precision,
            rows=results.label_scores[name],
            curves=results.curves[name],
            interval=results.intervals.get(name),
        )
    confusion = np.asarray(results.confusion[name], dtype=np.int64)
    return Outcome(**common, top5_wrong=figures.top5_wrong, confusion=confusion)


def _mistake(shown: ShownMistake, classes: tuple[str, ...]) -> Mistake:
    return Mistake(
        name=shown.name,
        truth=classes.index(shown.truth),
        predicted=classes.index(shown.predicted),
        confidence=shown.confidence,
        confidence_of_truth=shown.confidence_of_truth,
        png=base64.b64decode(shown.png, validate=True),
        width=shown.width,
        height=shown.height,
    )


def _pictures(sheet: DataSheet) -> dict[str, Any]:
    """The report's content about the pictures. Raises ValueError for an invalid picture."""
    shown = [(picture, picture.thumbnail()) for picture in sheet.shown]
    return {
        "class_counts": sheet.counts,
        "examined": sheet.examined,
        "found": tuple(DataFinding(kind=f.kind, bad=f.bad, count=f.count, examples=f.examples) for f in sheet.findings),
        "samples": tuple(
            Sample(name=p.name, label=p.label, png=small.png, width=small.width, height=small.height)
            for p, small in shown
        ),
    }


def _counts(folder: RunFolder, record: RunRecord) -> Counts:
    """The counts of the run's network; if the run rewrites it, as pruning does, those of the resulting model."""
    if record.rewrites and folder.model.exists():
        network = empty_network(folder.model)
    else:
        network, _ = structure(folder.toml, record.spec)
    counts = count(network, record.preprocessing.crop, record.preprocessing.channels)
    stages = tuple(
        Stage(
            name=s.name, output=" x ".join(map(str, s.output)), params=s.params, macs=s.macs, activations=s.activations
        )
        for s in counts.stages
    )
    return Counts(
        params=counts.params, macs=counts.macs, activations=counts.activations, input_size=counts.input, stages=stages
    )


def _speed(rows: list[dict[str, Any]]) -> Speed:
    train = [row for row in rows if row["kind"] == "train"]
    judged = [row for row in rows if row["kind"] == "evaluation" and row["seconds"] > 0]
    if not train:
        return Speed()
    return Speed(
        training=statistics.median(row["images_per_second"] for row in train),
        evaluation=statistics.median(row["count"] / row["seconds"] for row in judged) if judged else None,
        waiting=statistics.mean(row["waiting"] for row in train),
        seconds=train[-1]["seconds"],
    )


def _remarks(record: RunRecord) -> list[str]:
    """Facts that a reader needs beside the notes of the run."""
    remarks = []
    if record.skipped:
        some = ", ".join(record.skipped[:5]) + (", ..." if len(record.skipped) > 5 else "")
        remarks.append(f"{len(record.skipped)} bad pictures were skipped: {some}.")
    smoothing = record.recipe.get("objective", {}).get("label_smoothing", 0)
    if smoothing:
        remarks.append(
            f"The training loss includes label smoothing of {smoothing:g}; the loss of an evaluation does not."
        )
    return remarks
