"""The metrics of a run as lines to draw."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from cardinet.report.content import Row

ALONE = "weights, not averaged"
Point = tuple[float, float]
Span = tuple[float, float, float]


@dataclass(frozen=True)
class Line:
    """A named line: `points` in order of x, drawn with dots when `dots`; `band` is (x, lowest, highest)."""

    label: str
    style: int
    points: tuple[Point, ...]
    band: tuple[Span, ...] = ()
    dots: bool = False

    @property
    def values(self) -> list[float]:
        """Every y that the line or its band reaches."""
        return [y for _, y in self.points] + [y for _, low, high in self.band for y in (low, high)]


@dataclass(frozen=True)
class Best:
    """The chosen evaluation: its epoch and its values (None if not recorded)."""

    epoch: float
    error: float | None
    loss: float | None


def finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def points(rows: Iterable[Row], key: str, across: str = "epoch") -> tuple[Point, ...]:
    """(epoch, value) of the rows that have both, in order of the epoch, or of another entry `across`."""
    pairs = ((finite(row.get(across)), finite(row.get(key))) for row in rows)
    return tuple(sorted((x, y) for x, y in pairs if x is not None and y is not None))


def thinned(line: tuple[Point, ...], most: int = 160) -> tuple[tuple[Point, ...], tuple[Span, ...]]:
    """A long line as the means of `most` equal parts, with the band from the lowest to the highest value of each."""
    if len(line) <= 2 * most:
        return line, ()
    cuts = [round(i * len(line) / most) for i in range(most + 1)]
    parts = [line[a:b] for a, b in pairwise(cuts)]
    means, band = [], []
    for part in parts:
        x = sum(p[0] for p in part) / len(part)
        ys = [p[1] for p in part]
        means.append((x, sum(ys) / len(ys)))
        band.append((x, min(ys), max(ys)))
    return tuple(means), tuple(band)


def training(rows: Iterable[Row], key: str, label: str = "training", style: int = 0, *, across: str = "epoch") -> Line:
    """A line of the training windows."""
    line, band = thinned(points((r for r in rows if r.get("kind") == "train"), key, across))
    return Line(label, style, line, band)


def evaluations(rows: Iterable[Row], key: str, *, across: str = "epoch") -> list[Line]:
    """A line for each evaluated split, in order of first appearance.

    If the evaluations use an average of the weights, a further line is that of the weights themselves.
    """
    kept = [r for r in rows if r.get("kind") == "evaluation"]
    splits = dict.fromkeys(str(r.get("split", "evaluation")) for r in kept)
    lines: list[Line] = []
    for split in splits:
        mine = [r for r in kept if str(r.get("split", "evaluation")) == split]
        for label, line in ((split, points(mine, key, across)), (ALONE, points(mine, f"weights_{key}", across))):
            if label == split or line:
                lines.append(Line(label, len(lines) + 1, line, dots=len(line) <= 60))
    return lines


def best(rows: Iterable[Row]) -> Best | None:
    """The last evaluation that was the best so far: the chosen one."""
    chosen = None
    for row in rows:
        epoch = finite(row.get("epoch"))
        if row.get("kind") == "evaluation" and row.get("best") and epoch is not None:
            chosen = Best(epoch, finite(row.get("error")), finite(row.get("loss")))
    return chosen


def lowest(rows: Iterable[Row]) -> Best | None:
    """The evaluation with the lowest error, whether or not the run kept its weights; the last of equal ones."""
    found = None
    for row in rows:
        epoch, error = finite(row.get("epoch")), finite(row.get("error"))
        if row.get("kind") != "evaluation" or epoch is None or error is None:
            continue
        if found is None or found.error is None or error <= found.error:
            found = Best(epoch, error, finite(row.get("loss")))
    return found


def epochs(rows: Iterable[Row]) -> float | None:
    """The last epoch that the run reached."""
    reached = [e for row in rows if (e := finite(row.get("epoch"))) is not None]
    return max(reached, default=None)
