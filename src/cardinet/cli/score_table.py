"""The scores of the classes as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardinet.evaluate.classification import Evaluation
    from cardinet.evaluate.scores import Score

ALL = 40
"""The largest number of classes in the table. Of more, it has the `HARDEST`."""
HARDEST = 20
NAME = 28
"""Longer names are cut in the middle."""
CONFUSIONS = 8


def score_lines(result: Evaluation, classes: Sequence[str]) -> list[str]:
    """The lines below the error: the top-5 error, where it was counted, and the table."""
    top5 = (
        [] if result.top5_wrong is None else [f"{100 * result.top5_wrong / result.count:.2f} %: {result.top5_wrong:,}"]
    )
    return [*(f"top-5 error {found} pictures" for found in top5), "", *score_table(result, classes)]


def score_table(result: Evaluation, classes: Sequence[str]) -> list[str]:
    """The lines: a row for each class, or for the hardest of many, their means, and the most frequent confusions."""
    from cardinet.evaluate.scores import mean, pairs, ranked, scores

    rows = scores(result.confusion, classes)
    shown = rows if len(rows) <= ALL else ranked(rows)[:HARDEST]
    title = "class" if shown is rows else f"the {len(shown)} hardest of {len(rows):,}"
    width = max(len(short(name)) for name in (title, "mean", *(row.name for row in shown)))
    lines = [f"{title:<{width}}  pictures  missed  precision  {'recall':>8}  {'F1':>8}  mostly taken for"]
    lines += [_line(row, width) for row in shown]
    means = "  ".join(percent(mean([getattr(row, key) for row in rows])) for key in ("precision", "recall", "f1"))
    lines.append(f"{'mean':<{width}}  {'':8}  {'':6}   {means}")
    found = pairs(result.confusion, classes, CONFUSIONS)
    if len(rows) > ALL and found:
        lines += ["", "most frequent confusions"]
        lines += [f"{p.count:>8,}  {short(p.truth)} taken for {short(p.predicted)}" for p in found]
    return lines


def _line(row: Score, width: int) -> str:
    rates = "  ".join(percent(rate) for rate in (row.precision, row.recall, row.f1))
    taken = f"  {short(row.taken_for)} ({row.taken:,})" if row.taken else ""
    return f"{short(row.name):<{width}}  {row.support:>8,}  {row.missed:>6,}   {rates}{taken}"


def percent(share: float | None) -> str:
    return "       -" if share is None else f"{100 * share:6.2f} %"


def short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME // 2 - 1]}...{name[-NAME // 2 + 2 :]}"
