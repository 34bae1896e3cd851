"""What the proofs over all networks share: a row a network, kept in a file, so that a proof can be run in parts."""

from __future__ import annotations

import argparse
import fnmatch
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cardinet.networks.family import Named
from cardinet.networks.registry import NETWORKS

FAIL = "FAIL"
"""What the cell of something that failed begins with."""


def arguments(description: str) -> argparse.ArgumentParser:
    """The options of every proof; a proof adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    parser.add_argument("--results", type=Path, help="a file of JSON lines that keeps the rows")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no network later")
    return parser


def prove(
    options: argparse.Namespace,
    columns: Sequence[str],
    cells: Callable[[Named], Mapping[str, str]],
    not_here: str | None = None,
) -> int:
    """Print the row of every network that was asked for, and return the exit code: 0 where all rows are there and good.

    `cells` proves one network. Rows that stand in the file of `--results` are not proven again. Where
    `not_here`, the cell of what does not apply, is given, the others are counted by column.
    """
    done: dict[str, dict[str, str]] = {}
    if options.results and options.results.exists():
        done = {row["id"]: row for row in map(json.loads, options.results.read_text().splitlines())}
    ids = [id for id in NETWORKS if any(fnmatch.fnmatch(id, pattern) for pattern in options.patterns)]
    started, rows = time.perf_counter(), []
    widths = {name: max(len(name), 13) for name in (*columns, "seconds")}
    print(" ".join([f"{'network':32}", *(f"{name:>{width}}" for name, width in widths.items())]))
    for id in ids:
        if id not in done and time.perf_counter() - started < options.seconds:
            began = time.perf_counter()
            done[id] = {"id": id, **cells(NETWORKS[id]), "seconds": f"{time.perf_counter() - began:.0f}"}
            if options.results:
                with options.results.open("a") as file:
                    file.write(json.dumps(done[id]) + "\n")
        if row := done.get(id):
            rows.append(row)
            print(
                " ".join(
                    [f"{id:32}", *(f"{row.get(name, not_here or ''):>{width}}" for name, width in widths.items())]
                ),
                flush=True,
            )
    if not_here is not None:
        counts = {name: sum(row.get(name, not_here) != not_here for row in rows) for name in columns}
        print("applied: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    failed = [row["id"] for row in rows if any(cell.startswith(FAIL) for cell in row.values())]
    print(f"{len(rows)} of {len(ids)} networks, {len(failed)} failed{': ' if failed else '.'}{', '.join(failed)}")
    return int(bool(failed) or len(rows) < len(ids) or not ids)


def failure(error: Exception) -> str:
    """The cell of what raised."""
    return f"{FAIL} {type(error).__name__}: {' '.join(str(error).split())[:300]}"
