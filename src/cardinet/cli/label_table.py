"""The scores of the classes as a table for a terminal, where a picture may have several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cardinet.cli.score_table import ALL, HARDEST, percent, short

if TYPE_CHECKING:
    from cardinet.evaluate.label_scores import LabelScore
    from cardinet.evaluate.label_sets import LabelEvaluation


def label_lines(result: LabelEvaluation, classes: Sequence[str]) -> list[str]:
    """The lines below the mean average precision: its interval, F1, wrong labels, and a row for each class (of many the
    hardest).
    """
    from cardinet.evaluate.label_scores import micro
    from cardinet.evaluate.scores import mean

    rows = result.scores(classes)
    known = [row for row in rows if row.average_precision is not None]
    hardest = sorted(known, key=lambda row: row.average_precision or 0.0)[:HARDEST]
    shown = rows if len(rows) <= ALL else hardest
    title = "class" if shown is rows else f"the {len(shown)} hardest of {len(rows):,}"
    width = max(len(short(name)) for name in (title, "mean", *(row.name for row in shown)))
    together = micro(rows)
    share = 100 * result.wrong_labels / result.truth.size
    lines = [*_interval(result)]
    lines += [
        f"{share:.2f} % of the decisions about labels are wrong ({result.wrong_labels:,} of {result.truth.size:,})"
    ]
    if len(known) < len(rows):
        absent = [short(row.name) for row in rows if row.average_precision is None]
        some = ", ".join(absent[:5]) + (f", ... ({len(absent):,})" if len(absent) > 5 else "")
        lines.append(f"not in the mean, as no picture has the label: {some}")
    head = f"{'AP':>8}  {'precision':>9}  {'recall':>8}  {'F1':>8}  threshold"
    lines += ["", f"{title:<{width}}  pictures  {head}", *(_line(row, width) for row in shown)]
    means = [mean([getattr(row, key) for row in rows]) for key in ("average_precision", "precision", "recall", "f1")]
    lines.append(f"{'mean':<{width}}  {'':8}  {_rates(*means)}")
    lines.append(
        f"{'all':<{width}}  {together.support:>8,}  {_rates(None, together.precision, together.recall, together.f1)}"
    )
    return lines


def _interval(result: LabelEvaluation) -> list[str]:
    """The interval of the mean average precision, and how it was made."""
    from cardinet.evaluate.label_intervals import RESAMPLES

    if result.interval is None:
        return []
    low, high = (f"{100 * value:.2f}" for value in result.interval)
    return [f"95 % interval {low} to {high} % (bootstrap over the pictures, {RESAMPLES:,} draws, seed 0)"]


def _line(row: LabelScore, width: int) -> str:
    rates = _rates(row.average_precision, row.precision, row.recall, row.f1)
    return f"{short(row.name):<{width}}  {row.support:>8,}  {rates}  {row.threshold:9.3f}"


def _rates(average: float | None, precision: float | None, recall: float | None, f1: float | None) -> str:
    return f"{percent(average)}   {percent(precision)}  {percent(recall)}  {percent(f1)}"
