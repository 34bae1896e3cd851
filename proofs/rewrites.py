"""Proof: every rewrite on every network: the same function in float64 and float32, or refused with the reason.

command   PYTHONPATH=tests python proofs/rewrites.py [PATTERN ...] [--results FILE] [--seconds N]
expected  a row a network with the largest relative difference of the logits in float64 / float32, "-" where a rewrite
          does not apply, no "FAIL", and exit code 0
time      2 to 60 s a network on a CPU core; --results keeps the rows, so that it can be run in parts

The networks have BN statistics from a few pictures and see two pictures as small as they take. `compact` stands for
the compactors of a pruning run with some rows at zero, merged and narrowed.
"""

from __future__ import annotations

import argparse
import copy
import fnmatch
import json
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn

from cardinet.base.errors import CardinetError, RequestError
from cardinet.networks.family import Named
from cardinet.networks.registry import NETWORKS
from cardinet.rewrite.narrow import compact, compactors, merge_compactors
from cardinet.rewrite.proof import difference, proven
from cardinet.rewrite.registry import Step
from networks.citizen import Subject, subject

STEPS = {
    "strip": [Step("strip")],
    "form b": [Step("form", {"form": "b"})],
    "form a": [Step("form", {"form": "a"})],
    "merge": [Step("merge_branches")],
    "fold": [Step("strip"), Step("fold")],
    "pack": [Step("pack", {"width": 32})],
    "unpack": [Step("pack", {"width": 32}), Step("unpack")],
}
CALIBRATED = 16
"""Pictures in a batch from which BN has its statistics: of two, the variances of small maps are next to nothing."""

LIMITS = {"float64": 1e-10, "float32": 1e-5}


def results(row: Named) -> dict[str, str]:
    """What each rewrite says of a network."""
    it = subject(row, pictures=CALIBRATED)
    found = {"id": row.id}
    for name, steps in STEPS.items():
        found[name] = _cell(it, steps)
    found["compact"] = _pruned(it)
    return found


def _cell(it: Subject, steps: list[Step]) -> str:
    network: nn.Module = it.network
    worst = {"float64": 0.0, "float32": 0.0}
    try:
        for step in steps:
            one = proven(network, step, lambda channels: {"random": it.x})
            network = one.network
            for precision in worst:
                worst[precision] = max(worst[precision], getattr(one.proofs["random"], precision))
    except RequestError:
        return "-"
    except CardinetError as error:
        return f"FAIL {error.findings[0]}"
    return _judged(worst)


def _pruned(it: Subject) -> str:
    """Compactors whose rows are changed, a third of them closed, against the narrowed network."""
    try:
        compacted = compact(copy.deepcopy(it.network).double())
    except RequestError:
        return "-"
    torch.manual_seed(0)
    with torch.no_grad():
        for compactor in compactors(compacted).values():
            compactor.weight += 0.02 * torch.randn_like(compactor.weight)
            compactor.weight[: compactor.out_channels // 3] = 0
    small, _ = merge_compactors(compacted)
    return _judged({"float64": difference(compacted, small, it.x, torch.float64), "float32": 0.0})


def _judged(worst: dict[str, float]) -> str:
    cell = f"{worst['float64']:.0e}/{worst['float32']:.0e}"
    good = all(worst[precision] <= limit for precision, limit in LIMITS.items())
    return cell if good else f"FAIL {cell}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Prove every rewrite on every network.")
    parser.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    parser.add_argument("--results", type=Path, help="a file of JSON lines that keeps the rows")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no network later")
    options = parser.parse_args()
    done = {}
    if options.results and options.results.exists():
        done = {row["id"]: row for row in map(json.loads, options.results.read_text().splitlines())}
    ids = [id for id in NETWORKS if any(fnmatch.fnmatch(id, pattern) for pattern in options.patterns)]
    started, columns, rows = time.perf_counter(), [*STEPS, "compact"], []
    print(" ".join([f"{'network':28}", *(f"{name:>11}" for name in columns)]))
    for id in ids:
        if id not in done and time.perf_counter() - started < options.seconds:
            done[id] = results(NETWORKS[id])
            if options.results:
                with options.results.open("a") as file:
                    file.write(json.dumps(done[id]) + "\n")
        if row := done.get(id):
            rows.append(row)
            print(" ".join([f"{id:28}", *(f"{row[name]:>11}" for name in columns)]), flush=True)
    failed = [row["id"] for row in rows if any(cell.startswith("FAIL") for cell in row.values())]
    applied = Counter(name for row in rows for name in columns if row[name] != "-")
    print(f"{len(rows)} of {len(ids)} networks; applied: {dict(applied)}; failed: {', '.join(failed) or 'none'}")
    return int(bool(failed) or len(rows) < len(ids) or not ids)


if __name__ == "__main__":
    raise SystemExit(main())
