"""Proof: every network builds, trains, compiles, exports, copies and differentiates as a torch module has to.

command   PYTHONPATH=tests python proofs/every_network.py [PATTERN ...] [--checks NAME,...] [--full] [--results FILE]
expected  a row a network, no cell with "FAIL", and exit code 0; 1 where anything fails
time      10 to 60 s a network on a CPU core, some minutes where there are hundreds of layers

The checks are those of `tests/networks/test_citizen.py`, on two pictures as small as the network takes (`--full`: the
two training steps on pictures of the paper's size, but for giants). With `--results` the rows are kept in FILE, and
those that stand there are not run again, so that the proof can be run in parts: `--seconds` starts no network later.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import time
from pathlib import Path

from cardinet.networks.family import Named
from cardinet.networks.registry import NETWORKS
from networks.citizen import CHECKS, GIANT, steps, subject

USUAL = [name for name in CHECKS if name != "inductor"]


def results(row: Named, checks: list[str], full: bool) -> dict[str, str]:
    """What each check says of a network; what failed begins with FAIL."""
    it = subject(row)
    parameters = sum(p.numel() for p in it.network.parameters())
    found = {"id": row.id, "params": f"{parameters:,}"}
    for name in checks:
        try:
            if name == "steps" and full and (parameters < GIANT or row.input_size <= 32):
                found[name] = f"{steps(it, row.input_size)} at {row.input_size}"
            else:
                found[name] = CHECKS[name](it)
        except Exception as error:
            reason = " ".join(str(error).split())
            found[name] = f"FAIL {type(error).__name__}: {reason[:300]}"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Run every check on every network.")
    parser.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    parser.add_argument("--checks", default=",".join(USUAL), help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--full", action="store_true", help="train on pictures of the paper's size")
    parser.add_argument("--results", type=Path, help="a file of JSON lines that keeps the rows")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no network later")
    options = parser.parse_args()
    checks = options.checks.split(",")
    if unknown := set(checks) - set(CHECKS):
        parser.error(f"unknown checks: {', '.join(sorted(unknown))}")

    done = {}
    if options.results and options.results.exists():
        done = {row["id"]: row for row in map(json.loads, options.results.read_text().splitlines())}
    ids = [id for id in NETWORKS if any(fnmatch.fnmatch(id, pattern) for pattern in options.patterns)]
    started = time.perf_counter()
    columns = ["params", *checks, "seconds"]
    print(" ".join([f"{'network':32}", *(f"{name:>13}" for name in columns)]))
    rows = []
    for id in ids:
        if id not in done and time.perf_counter() - started < options.seconds:
            began = time.perf_counter()
            done[id] = results(NETWORKS[id], checks, options.full)
            done[id]["seconds"] = f"{time.perf_counter() - began:.0f}"
            if options.results:
                with options.results.open("a") as file:
                    file.write(json.dumps(done[id]) + "\n")
        if row := done.get(id):
            rows.append(row)
            print(" ".join([f"{id:32}", *(f"{row.get(name, ''):>13}" for name in columns)]), flush=True)
    failed = [row["id"] for row in rows if any(cell.startswith("FAIL") for cell in row.values())]
    print(f"{len(rows)} of {len(ids)} networks, {len(failed)} failed{': ' if failed else '.'}{', '.join(failed)}")
    return int(bool(failed) or len(rows) < len(ids) or not ids)


if __name__ == "__main__":
    raise SystemExit(main())
