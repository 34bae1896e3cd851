"""What is said of the base networks of a fused network: each of a few, or by their length where there are many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from cardinet.base.amounts import amount
from cardinet.explain.answer import Section
from cardinet.explain.figures import Bar, Bars, Figure, Format, Table
from cardinet.explain.members import Members, Path
from cardinet.explain.percent import percent

PERCENT: Format = "percent"
FEW = 16
"""So many base networks at most are drawn one by one; more are drawn by their length."""

LABELS = {"error": "file's statistics", "estimated_error": "estimated again", "alone_error": "trained alone"}
"""The errors of a base network by their name in the document, and as the page calls them."""


@dataclass(frozen=True, eq=False)
class Result:
    """All that was measured. Errors are shares of `count` pictures.

    `as_is` are the base networks with the BN statistics of the file, `own` those with statistics of their own.
    """

    paths: Sequence[Path]
    lengths: Mapping[Path, int]
    fused: float
    as_is: Members
    own: Members
    alone: Mapping[Path, float]
    retrained: float | None
    count: int

    @property
    def deepest(self) -> Path:
        return max(self.paths, key=lambda path: self.lengths[path])

    @cached_property
    def members(self) -> list[dict[str, Any]]:
        """Every base network, the shortest first."""
        return [
            {
                "path": list(path),
                "lines": name(path),
                "layers": self.lengths[path],
                "error": self.as_is.error([path]),
                "estimated_error": self.own.error([path]),
                "alone_error": self.alone.get(path),
                "contribution": self.own.contribution(path),
            }
            for path in sorted(self.paths, key=lambda path: (self.lengths[path], path))
        ]

    @cached_property
    def by_length(self) -> list[dict[str, Any]]:
        """The base networks of each length: their number, and mean, lowest and highest of each of their figures."""
        found = []
        for layers in sorted(set(self.lengths.values())):
            rows = [row for row in self.members if row["layers"] == layers]
            figures = {key: spread_of(row[key] for row in rows) for key in (*LABELS, "contribution")}
            found.append({"layers": layers, "members": len(rows), **figures})
        return found

    @cached_property
    def ensembles(self) -> list[dict[str, Any]]:
        """The ensembles by name, with error and standard error."""
        found = {
            "coupled: the fused network": self.fused,
            "uncoupled: the mean of all base networks": self.own.error(),
            "uncoupled, without the deepest in the test": self.own.error(self.own.without(self.deepest)),
        }
        if self.retrained is not None:
            found["uncoupled, trained without the deepest"] = self.retrained
        return [
            {"ensemble": name, "error": error, "standard_error": math.sqrt(error * (1 - error) / self.count)}
            for name, error in found.items()
        ]

    def document(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "pictures": self.count,
            "members": self.members,
            "lengths": self.by_length,
            "ensembles": self.ensembles,
        }


def spread_of(values: Iterable[float | None]) -> dict[str, float] | None:
    """Mean, lowest and highest of the known values; None if there is none."""
    known = [value for value in values if value is not None]
    return {"mean": fmean(known), "lowest": min(known), "highest": max(known)} if known else None


def name(path: Path) -> str:
    """The lines of a path as letters: L is the shallow one of a block, R the deep one."""
    return "".join("L" if line == "shallow" else "R" for line in path)


def lead(result: Result) -> list[str]:
    """What was found, in two sentences."""
    best = min(result.members, key=lambda row: float(row["estimated_error"]))
    _, uncoupled, without = (float(row["error"]) for row in result.ensembles[:3])
    return [
        f"The fused network errs on {percent(result.fused)}, the mean answer of its {len(result.paths)} base networks "
        f"on {percent(uncoupled)}. The best base network, {best['lines']}, errs on "
        f"{percent(best['estimated_error'])}.",
        f"Without the deepest base network ({result.lengths[result.deepest]} layers) the mean answer errs on "
        f"{percent(without)}.",
    ]


def strip(result: Result) -> dict[str, str]:
    """The numbers that stand above all."""
    return {
        "fused network": percent(result.fused),
        "mean of base networks": percent(result.own.error()),
        "base networks": str(len(result.paths)),
        "pictures": f"{result.count:,}",
    }


def sections(result: Result) -> list[Section]:
    """The base networks, and their ensembles."""
    few = len(result.paths) <= FEW
    text = [
        f"L is the shallow line of a block, R the deep one. {amount(result.count, 'picture')}, each counted once. "
        "The BN "
        "statistics of a base network are those of the fused network in the file, or its own, estimated again.",
    ]
    if not few:
        text.append(
            f"The {len(result.paths)} base networks are drawn by their layers: a bar is the mean of those with equally "
            "many, the line on it goes from the lowest to the highest."
        )
    figures: list[Figure] = [
        _bars("Error of each base network" if few else "Error of the base networks", tuple(LABELS), few, result),
        _bars(
            "Contribution to the mean answer",
            ("contribution",),
            few,
            result,
            y="error without it, less error with it; percentage points",
        ),
    ]
    figures += [_each(result)] if few else [_lengths(result), _each(result)]
    return [Section("The base networks", text, figures), _together(result)]


def _bars(title: str, keys: Sequence[str], few: bool, result: Result, y: str = "error") -> Bars:
    """A bar for each base network, or for each length, and each of some figures that is known."""
    known = [key for key in keys if any(row[key] is not None for row in result.members)]
    bars = []
    for row in result.members if few else result.by_length:
        label = f"{row['lines']}, {row['layers']}" if few else str(row["layers"])
        for series, key in enumerate(known):
            if few and row[key] is not None:
                bars.append(Bar(label, row[key], series=series))
            elif row[key] is not None:
                found = row[key]
                spread = (found["lowest"], found["highest"]) if row["members"] > 1 else None
                bars.append(Bar(label, found["mean"], spread, series))
    names = [LABELS[key] for key in known] if len(known) > 1 else ()
    return Bars(title, "lines, layers" if few else "layers", y, bars, names, format="percent")


def _lengths(result: Result) -> Table:
    """The base networks of each length."""
    keys = ("error", "estimated_error", "contribution")
    rows = [
        (row["layers"], row["members"], *(row[key][part] for key in keys for part in ("mean", "lowest", "highest")))
        for row in result.by_length
    ]
    ends = ("lowest", "highest")
    columns = (
        "layers",
        "base networks",
        LABELS["error"],
        *ends,
        LABELS["estimated_error"],
        *ends,
        "contribution",
        *ends,
    )
    formats: list[Format | None] = ["integer", "integer", *[PERCENT] * 9]
    return Table("By length, the means with the lowest and the highest", columns, rows, formats)


def _each(result: Result) -> Table:
    """Every base network, with the errors that are known."""
    known = [key for key in LABELS if any(row[key] is not None for row in result.members)]
    rows = [(row["lines"], row["layers"], *(row[key] for key in known), row["contribution"]) for row in result.members]
    columns = ("lines", "layers", *(LABELS[key] for key in known), "contribution")
    formats: list[Format | None] = [None, "integer", *[PERCENT] * (len(known) + 1)]
    return Table("Every base network", columns, rows, formats, folded=len(rows) > FEW)


def _together(result: Result) -> Section:
    formats: tuple[Format | None, ...] = (None, "percent", "percent")
    rows = [(row["ensemble"], row["error"], row["standard_error"]) for row in result.ensembles]
    table = Table("Ensembles", ("ensemble", "error", "standard error"), rows, formats)
    text = ["The mean answer averages the probabilities. Its members have BN statistics of their own."]
    return Section("Together", text, [table])
