"""How far a run was at each line of its metrics.jsonl: its epoch, the images that it had seen, and its wall time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardinet.report.content import ReportContent, Row
from cardinet.report.history import finite


@dataclass(frozen=True)
class Axis:
    """An axis of progress: the entry of a line that it shows, its title, and its units, the largest first.

    A unit is its name, its size, and the greatest value from which on it is used.
    """

    key: str
    title: str
    units: tuple[tuple[str, float, float], ...]

    def unit(self, greatest: float) -> tuple[str, float]:
        """The name and the size of the unit for values up to `greatest`."""
        return next((name, size) for name, size, least in self.units if greatest >= least)


AXES = (
    Axis("epoch", "Epochs", (("epoch", 1.0, 0.0),)),
    Axis("images", "Images seen", (("million images", 1e6, 2e6), ("thousand images", 1e3, 2e3), ("images", 1.0, 0.0))),
    Axis("wall", "Wall time", (("hours", 3600.0, 7200.0), ("minutes", 60.0, 120.0), ("seconds", 1.0, 0.0))),
)


def with_progress(content: ReportContent) -> tuple[Mapping[str, Any], ...]:
    """The lines of a run with `images`, which its steps have used, and `wall`, the seconds of work until then.

    The seconds are those of the training and of the evaluations, also of those before a stop; the pause until a run was
    continued does not count. An entry that is not known is left out.
    """
    knots = _knots(content.history)
    judged = 0.0
    lines = []
    for row in content.history:
        more: dict[str, float] = {}
        step = finite(row.get("step"))
        if row.get("kind") == "evaluation":
            judged += finite(row.get("seconds")) or 0.0
        if step is not None and content.batch_size is not None:
            more["images"] = step * content.batch_size
        if step is not None and len(knots) > 1:
            more["wall"] = _at(knots, step) + judged
        lines.append({**row, **more})
    return tuple(lines)


def _knots(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """(step, seconds of training) of the training lines, from (0, 0)."""
    found = [(0.0, 0.0)]
    for row in rows:
        step, seconds = finite(row.get("step")), finite(row.get("seconds"))
        if row.get("kind") == "train" and step is not None and seconds is not None and step > found[-1][0]:
            found.append((step, seconds))
    return found


def _at(knots: Sequence[tuple[float, float]], step: float) -> float:
    """The seconds at a step, on the line between its neighbours, or beyond the last on that of the last two."""
    place = min(max(1, bisect_left(knots, (step, float("-inf")))), len(knots) - 1)
    (before, start), (after, end) = knots[place - 1], knots[place]
    return start + (end - start) * (step - before) / (after - before)


def reached(lines: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The greatest value of an entry: how far the run has come."""
    return max((value for line in lines if (value := finite(line.get(key))) is not None), default=None)
