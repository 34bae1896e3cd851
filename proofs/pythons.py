"""Proof: the tests pass on every Python that is supported, each in an environment of its own.

command   python proofs/pythons.py --pythons python3.11 python3.12 python3.13 [--quick]
expected  "passed" for every one
time      about 15 minutes for each, most of it the installation and the tests

With --quick the quick tests alone run, as in `make test`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def tried(python: str, folder: Path, quick: bool) -> str:
    """The outcome with one interpreter: what failed first, or the last line of the tests."""
    if shutil.which(python) is None:
        return "NOT THERE"
    environment = folder / Path(python).name
    installed = environment / "bin/python"
    steps = [
        [python, "-m", "venv", str(environment)],
        [str(installed), "-m", "pip", "install", "--quiet", "-c", "constraints.txt", "-e", ".[dev]"],
        [str(installed), "-m", "pytest", "-p", "no:cacheprovider", *(["-m", "not long"] if quick else [])],
    ]
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-2000:], file=sys.stderr)
            return f"FAILED: {' '.join(step[1:4])}"
    return done.stdout.strip().splitlines()[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pythons", nargs="+", default=["python3.11", "python3.12", "python3.13"], metavar="PYTHON")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = {python: tried(python, Path(folder), arguments.quick) for python in arguments.pythons}
    for python, outcome in outcomes.items():
        print(f"{python}: {outcome}")
    return 0 if all("passed" in outcome and "failed" not in outcome for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
