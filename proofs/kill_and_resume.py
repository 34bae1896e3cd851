"""Proof: a run that is killed again and again, at any moment, ends with the bits of the run that was not.

command   python proofs/kill_and_resume.py --kills 25                             digits, in memory
          python proofs/kill_and_resume.py --kills 25 --photographs --workers 0   decoded by the process itself
          python proofs/kill_and_resume.py --kills 25 --photographs --workers 2   decoded by two processes
expected  "the same bits" and exit code 0; 1 where anything differs
time      3 to 8 minutes each on 2 CPU cores

A reference run goes through undisturbed. A second run of the same command is killed from outside with SIGKILL and
resumed (or started again where no run folder exists yet). Each kill aims at a phase by watching the folder, with a
random delay; what it really hit is read afterwards from what the dead process left. Where a run ends before the
kills are used up, another one begins. Every process works in another folder, and names photographs by a relative path.
Of each run all files are compared byte by byte, apart from what a clock has measured: the tensors of the checkpoints
(parameters, BN statistics, momenta, random generators) and the loop's state, metrics.jsonl, the model file,
evaluation.json, and run.toml but for its date and command.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.environment import hardware, versions

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "flowers"
TIMES = ("seconds", "images_per_second", "waiting", "metrics_bytes")
WHOLE = ("model.safetensors", "evaluation.json")
"""Files in which no clock has a word."""
CARDINET = [sys.executable, "-m", "cardinet"]
EVALUATE_EVERY = 25
PATIENCE = 120.0
SPREAD = 3.0  # seconds; kills are spread over as much of the run

QUOTAS = {
    "start-up": 1,
    "making the run folder": 2,
    "start-up of a resume": 2,
    "steps": 5,
    "writing a checkpoint": 5,
    "evaluation": 4,
    "writing another file": 2,
    "after an evaluation": 2,
    "the last evaluation": 2,
}
"""The phases, and how many of 25 kills ought to hit each. A kill aims at one whose hits are still missing."""
BEFORE = ("start-up", "making the run folder")
RESUME = "start-up of a resume"
LAST = "the last evaluation"


@dataclass
class Attempt:
    """One process of the run, and what it has said so far."""

    words: list[str]
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether it has come to its run folder."""
        return any(line.startswith(("Run folder:", "Resuming")) for line in self.said)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


def launch(words: list[str], folder: Path) -> Attempt:
    process = subprocess.Popen(
        [*CARDINET, *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    attempt = Attempt(words, process)
    assert process.stderr is not None
    lines = process.stderr

    def listen() -> None:
        for line in lines:
            attempt.said.append(line.rstrip())

    threading.Thread(target=listen, daemon=True).start()
    return attempt


@dataclass(frozen=True)
class Run:
    """What is trained: on the digits, or on the photographs of a folder."""

    workers: int
    photographs: Path | None

    def words(self, folder: Path) -> list[str]:
        """The words behind `cardinet train` in a working folder, without --out."""
        settings = {"checkpoint_seconds": 0.2, "log_every": "5 steps", "evaluate_every": f"{EVALUATE_EVERY} steps"}
        words = ["--workers", str(self.workers)]
        if self.photographs is None:
            settings |= {"length": "2400 steps", "threads": "1"}
        else:
            words += ["resnet20_cifar", "--data", os.path.relpath(self.photographs, folder), "--batch-size", "16"]
            settings |= {"length": "500 steps", "data.limit": "160", "size": "48", "threads": "1"}
        return words + [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def make_photographs(root: Path) -> Path:
    """Three classes of noise, where the flowers are absent."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("val", 20)):
        for name in ("ant", "bee", "cat"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (110 + i, 130 - i, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.jpg")
    return root


def last_row(run: Path) -> dict[str, Any]:
    """The last whole line of metrics.jsonl, {} where there is none."""
    try:
        with open(run / "metrics.jsonl", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 600))
            lines = file.read().split(b"\n")[:-1]
        return dict(json.loads(lines[-1]))
    except (OSError, ValueError, IndexError):
        return {}


def evaluating(run: Path) -> bool:
    row = last_row(run)
    return row.get("kind") == "train" and row["step"] % EVALUATE_EVERY == 0


def finishing(run: Path, length: int) -> bool:
    row = last_row(run)
    return row.get("kind") == "evaluation" and row["step"] == length and not (run / "evaluation.json").exists()


def has_part(folder: Path) -> bool:
    return any(name.endswith(".part") for name in os.listdir(folder))


def has_new(parent: Path, attempt: Attempt) -> bool:
    """Whether a process has its folder in the making, or has left it."""
    return any(name.startswith(f".cardinet-new-{attempt.process.pid}-") for name in os.listdir(parent))


def moment(target: str, run: Path, length: int, attempt: Attempt) -> Callable[[], bool]:
    """The condition under which the phase has been reached."""
    conditions: dict[str, Callable[[], bool]] = {
        "start-up": lambda: True,
        "start-up of a resume": lambda: True,
        "making the run folder": lambda: has_new(run.parent, attempt),
        "steps": lambda: attempt.works,
        "writing a checkpoint": lambda: attempt.works and has_part(run / "checkpoints"),
        "writing another file": lambda: attempt.works and has_part(run),
        "evaluation": lambda: attempt.works and evaluating(run),
        "after an evaluation": lambda: attempt.works and last_row(run).get("kind") == "evaluation",
        "the last evaluation": lambda: attempt.works and finishing(run, length),
    }
    return conditions[target]


DELAYS = {
    "start-up": 2.5,
    "start-up of a resume": 2.5,
    "making the run folder": 0.004,
    "steps": SPREAD,
    "writing a checkpoint": 0.001,
    "writing another file": 0.0005,
    "evaluation": 0.02,
    "after an evaluation": 0.005,
    "the last evaluation": 0.03,
}
"""The longest random delay, in seconds, between the moment that is watched for and the kill."""


def kill(target: str, run: Path, length: int, attempt: Attempt, chance: random.Random) -> bool:
    """Kill the process in the phase aimed at. False when it had ended before."""
    reached = moment(target, run, length, attempt)
    if target in ("writing a checkpoint", "evaluation", "writing another file", "after an evaluation"):
        while attempt.alive and not attempt.works:
            time.sleep(0.005)
        before = time.monotonic() + chance.uniform(0, SPREAD)  # let it get on, so that each kill hits another place
        while attempt.alive and time.monotonic() < before:
            time.sleep(0.005)
    end = time.monotonic() + PATIENCE
    while attempt.alive and not reached() and time.monotonic() < end:
        time.sleep(0.0003)
    time.sleep(chance.uniform(0, DELAYS[target]))
    attempt.process.kill()  # SIGKILL; nothing where it has ended by itself
    attempt.process.wait()
    return attempt.process.returncode == -signal.SIGKILL


def hit(run: Path, length: int, attempt: Attempt) -> str:
    """The phase in which a process died, from what it left."""
    if not run.exists():
        return "making the run folder" if has_new(run.parent, attempt) else "start-up"
    time.sleep(0.05)  # the thread that reads what it said may be behind
    if not attempt.works:  # parts in the folder are then those of the process before
        return RESUME if "--resume" in attempt.words else "making the run folder"
    state = load_checkpoint(run / "checkpoints" / "last.safetensors")[1]
    if has_part(run / "checkpoints") and state["step"] < length:  # else a process before has left the part
        return "writing a checkpoint"
    if has_part(run):
        return "writing another file"
    row = last_row(run)
    if state["step"] == length:
        return "the last evaluation" if not (run / "evaluation.json").exists() else "the report"
    if row.get("kind") == "evaluation" and row["step"] > state["step"]:
        return "after an evaluation"
    return "evaluation" if evaluating(run) else "steps"


def aim(hits: Counter[str], kills: int, run: Path, chance: random.Random) -> str:
    """The next phase to aim at: one that can be reached and has not been hit often enough; the end comes last."""
    missing = [phase for phase, quota in QUOTAS.items() if hits[phase] < quota * kills / 25]
    early = [phase for phase in missing if phase in BEFORE]
    if early and not run.exists():
        return chance.choice(early)
    fits = [phase for phase in missing if phase not in (*early, LAST, *([] if run.exists() else [RESUME]))]
    at_end = QUOTAS[LAST] * kills / 25 - hits[LAST]
    if at_end > 0 and (not fits or kills - sum(hits.values()) <= at_end + 1):
        return LAST
    return chance.choice(fits or ["steps"])


def plain(document: Any) -> Any:
    """A document without what a clock has measured."""
    if isinstance(document, dict):
        return {key: plain(value) for key, value in document.items() if key not in TIMES}
    return document


def recorded(run: Path) -> dict[str, Any]:
    """run.toml without its date and the command, which names the folders."""
    document = tomllib.loads((run / "run.toml").read_text())
    return {key: value for key, value in document.items() if key not in ("created", "command")}


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs."""
    found = []
    for name in ("checkpoints/last.safetensors", "checkpoints/best.safetensors"):
        (mine, state), (its, other_state) = load_checkpoint(one / name), load_checkpoint(other / name)
        found += [f"{name}: {key}" for key in sorted(mine.keys() | its.keys()) if not same(mine, its, key)]
        if plain(state) != plain(other_state):
            found.append(f"{name}: the loop's state")
    if rows(one) != rows(other):
        found.append(f"metrics.jsonl ({len(rows(one))} and {len(rows(other))} lines)")
    if recorded(one) != recorded(other):
        found.append("run.toml")
    return found + [name for name in WHOLE if (one / name).read_bytes() != (other / name).read_bytes()]


def rows(run: Path) -> list[Any]:
    return [plain(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]


def same(mine: dict[str, Any], its: dict[str, Any], key: str) -> bool:
    if key not in mine or key not in its or mine[key].dtype != its[key].dtype:
        return False
    return bool(mine[key].numpy().tobytes() == its[key].numpy().tobytes())


def finish(words: list[str], folder: Path) -> None:
    """Run to the end in a working folder; leave with what the process said where it fails."""
    done = subprocess.run([*CARDINET, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAILED with exit code {done.returncode}: cardinet {' '.join(words)}\n{done.stderr}")


@dataclass
class Stress:
    """The killed runs: all the kills, and the runs that came to their end."""

    what: Run
    folder: Path
    length: int
    chance: random.Random
    places: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    aims: Counter[str] = field(default_factory=Counter)
    finished: list[Path] = field(default_factory=list)

    def run(self, kills: int) -> None:
        number = 1
        while sum(self.hits.values()) < kills:
            run = self.folder / f"killed-{number}" / "run"
            target = aim(self.hits, kills, run, self.chance)
            place = self.next_place()
            attempt = launch(self.next_words(run, place), place)
            if kill(target, run, self.length, attempt, self.chance):
                self.note(target, hit(run, self.length, attempt), run)
            elif attempt.process.returncode == 0:
                self.finished.append(run)
                number += 1
                if len(self.finished) > kills:
                    sys.exit(
                        f'FAILED: runs end before a kill; is "{target}" still seen in the folder as this file thinks?'
                    )
            else:
                sys.exit(f"FAILED: a process ended by itself with {attempt.process.returncode}: {attempt.said}")
        run = self.folder / f"killed-{number}" / "run"
        place = self.next_place()
        finish(self.next_words(run, place), place)
        self.finished.append(run)

    def note(self, target: str, phase: str, run: Path) -> None:
        self.aims[target] += 1
        self.hits[phase] += 1
        place = f"step {last_row(run).get('step', 0)}"
        print(f"  kill {sum(self.hits.values()):3d}  aimed at {target:22s} hit {phase:22s} {place}", flush=True)

    def next_place(self) -> Path:
        """A working folder, at another depth each time."""
        self.places += 1
        place = self.folder.joinpath("places", *"abc"[: self.places % 3 + 1])
        place.mkdir(parents=True, exist_ok=True)
        return place

    def next_words(self, run: Path, place: Path) -> list[str]:
        run.parent.mkdir(exist_ok=True)
        where = os.path.relpath(run, place)
        return ["train", "--resume", where] if run.exists() else ["train", *self.what.words(place), "--out", where]


def summary(stress: Stress, arguments: argparse.Namespace, started: float) -> str:
    lines = ["", f"{'phase':24s} {'aimed at':>8s} {'hit':>5s}"]
    lines += [f"{phase:24s} {stress.aims[phase]:8d} {stress.hits[phase]:5d}" for phase in [*QUOTAS, "the report"]]
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    machine = hardware("cpu")
    lines += [
        f"{'together':24s} {sum(stress.aims.values()):8d} {sum(stress.hits.values()):5d}",
        "",
        f"command   python proofs/kill_and_resume.py --kills {arguments.kills} --workers {arguments.workers} "
        f"--seed {arguments.seed}{' --photographs' if arguments.photographs else ''}",
        f"run       {shlex.join(['cardinet', 'train', *stress.what.words(stress.folder)])}",
        f"versions  {about}",
        f"hardware  {machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        f"time      {time.monotonic() - started:.0f} s",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--workers", type=int, choices=(0, 2), default=0)
    parser.add_argument("--photographs", action="store_true", help="train on photographs, by a relative path")
    parser.add_argument("--seed", type=int, default=0, help="of the kills' moments")
    parser.add_argument("--keep", action="store_true", help="leave the run folders where they are")
    arguments = parser.parse_args()
    started, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="kill-and-resume-"))
    try:
        photographs = FLOWERS if FLOWERS.is_dir() else folder / "photographs"
        if arguments.photographs and not photographs.is_dir():
            make_photographs(photographs)
        what = Run(arguments.workers, photographs if arguments.photographs else None)
        reference = folder / "reference"
        finish(["train", *what.words(folder), "--out", str(reference)], folder)
        length = last_row(reference)["step"]
        print(f"reference: {length} steps, {time.monotonic() - started:.0f} s", flush=True)
        chance = random.Random(arguments.seed)
        stress = Stress(what, folder, length, chance)
        stress.run(arguments.kills)
        print(summary(stress, arguments, started))
        found = [f"{run.parent.name}: {text}" for run in stress.finished for text in differences(reference, run)]
        leftovers = [str(path) for path in folder.glob("killed-*/.cardinet-new-*")]
        tensors = load_checkpoint(reference / "checkpoints" / "last.safetensors")[0]
        compared = f"{len(tensors)} tensors each of the last and the best checkpoint, the loop's state, "
        compared += f"{len(rows(reference))} lines of metrics, run.toml, {', '.join(WHOLE)}"
        print(f"compared  {len(stress.finished)} killed run(s) with the reference: {compared}")
        print(f"left      {len(leftovers)} folders of starts that were killed; a start a minute later removes them")
        for text in found:
            print(f"DIFFERS   {text}")
        print("outcome   " + ("DIFFERENT" if found else "the same bits"))
        return 1 if found else 0
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
