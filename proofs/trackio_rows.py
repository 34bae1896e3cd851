"""Proof: Trackio has every line of a run once, also of a run that was stopped beyond its checkpoint.

command   python proofs/trackio_rows.py
expected  "Trackio has every value of the run once, and stdout stayed empty." and exit code 0
time      1 to 3 minutes, most of it the installation of Trackio

Trackio needs a Pillow below 13, and so is not among the packages of the tests. This program installs it, with what it
needs, into a folder of its own, which comes first in the path of a child process. The child trains, stops, goes on, and
compares Trackio's database with metrics.jsonl and evaluation.json. Of the lines that were written before the stop,
Trackio keeps the times of the first part.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TIMES = ("seconds", "images_per_second", "waiting")
SHORT: dict[str, Any] = {"epochs": 2, "seed": 3, "workers": 0, "threads": 1, "log_every": "8 steps"}


def rows_of(folder: Path) -> dict[tuple[str, int], list[float]]:
    """By key and step: the values that Trackio must have, each once."""
    from cardinet.runs.folder import RunFolder
    from cardinet.train.watching import entry

    run = RunFolder(folder)
    found = {(key, e.step): [value] for row in run.rows() for e in [entry(row, 0.0)] for key, value in e.values.items()}
    results = json.loads(run.evaluation.read_text())
    step = results["step"]
    found["final/epoch", step] = [step / run.record().steps_per_epoch]
    for split, figures in results["results"].items():
        for key, value in figures.items():
            if isinstance(value, int | float):
                found[f"final/{split}/{key}", step] = [float(value)]
    return found


def child(place: Path) -> None:
    """Train in two parts, and compare."""
    import PIL
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    from cardinet.python.train import train
    from cardinet.runs.folder import RunFolder
    from cardinet.train.interrupt import Interrupted
    from cardinet.train.listener import Listener, Tick
    from cardinet.train.watching import tracked

    class Stops(Listener):
        def stepped(self, tick: Tick) -> None:
            if tick.step >= 30:
                raise Interrupted("stopped by the proof")

    folder = place / "run"
    with contextlib.suppress(Interrupted):
        train(out=folder, listener=Stops(), watch="trackio", **SHORT)
    written = len(RunFolder(folder).rows())
    train(resume=folder, listener=Listener())
    train(resume=folder, listener=Listener(), watch="trackio")  # a finished run: nothing comes twice
    record = RunFolder(folder).record()
    name = f"run-{tracked(RunFolder(folder), record).identity[:8]}"
    found: dict[tuple[str, int], list[float]] = {}
    for row in SQLiteStorage.get_logs("cardinet", name):
        for key, value in row.items():
            if "/" in key:
                found.setdefault((key, int(row["step"])), []).append(float(value))
    expected = rows_of(folder)
    config = SQLiteStorage.get_run_config("cardinet", name) or {}
    other = [
        f"{key} at {step}: {values}"
        for (key, step), values in found.items()
        if values != expected.get((key, step)) and not (len(values) == 1 and key.rpartition("/")[2] in TIMES)
    ]
    about = {
        "trackio": trackio.__version__,
        "pillow": PIL.__version__,
        "rows before the stop": written,
        "values": len(found),
        "missing": sorted(map(str, expected.keys() - found.keys())),
        "other": other,
        "learning rate among the settings": config.get("optimizer.lr"),
    }
    print(json.dumps(about), file=sys.stderr)
    assert found.keys() == expected.keys()
    assert not other
    assert written >= 3
    assert config.get("optimizer.lr") == record.recipe["optimizer"]["lr"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in", dest="place", type=Path, help="the folder for the packages, which is kept")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child is not None:
        child(asked.child)
        return
    with tempfile.TemporaryDirectory() as text:
        work = Path(text)
        packages = asked.place or work / "packages"
        if not packages.is_dir():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), "trackio"]
            subprocess.run(command, check=True)
        source = Path(__file__).resolve().parents[1] / "src"
        path = os.pathsep.join([str(packages), str(source)])
        environment = {**os.environ, "PYTHONPATH": path, "TRACKIO_DIR": str(work / "database")}
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(work)], env=environment, stdout=subprocess.PIPE, timeout=600
        )
        assert done.returncode == 0, "the child failed"
        assert done.stdout == b"", f"Trackio wrote on stdout: {done.stdout.decode()}"
    print("Trackio has every value of the run once, and stdout stayed empty.")


if __name__ == "__main__":
    main()
