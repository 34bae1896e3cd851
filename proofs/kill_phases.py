"""The phases of a run in which a kill can hit it: how to aim at one, and how to see which one was hit."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from cardinet.runs.checkpoint import load_checkpoint
from run_files import last_row
from run_process import Attempt

EVALUATE_EVERY = 25
"""The steps between two evaluations of the run."""

PATIENCE = 120.0
"""The seconds in which a phase must begin."""

SPREAD = 3.0
"""The seconds of the run over which kills in the same phase are spread."""

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
"""The phases, and how many of 25 kills should hit each. A kill aims at a phase that still lacks hits."""
BEFORE = ("start-up", "making the run folder")
RESUME = "start-up of a resume"
LAST = "the last evaluation"


def evaluating(run: Path) -> bool:
    row = last_row(run)
    return row.get("kind") == "train" and row["step"] % EVALUATE_EVERY == 0


def finishing(run: Path, length: int) -> bool:
    row = last_row(run)
    return row.get("kind") == "evaluation" and row["step"] == length and not (run / "evaluation.json").exists()


def has_part(folder: Path) -> bool:
    return any(name.endswith(".part") for name in os.listdir(folder))


def has_new(parent: Path, attempt: Attempt) -> bool:
    """Whether a process has begun to make its run folder, and has not moved it to its place."""
    return any(name.startswith(f".cardinet-new-{attempt.process.pid}-") for name in os.listdir(parent))


def moment(target: str, run: Path, length: int, attempt: Attempt) -> Callable[[], bool]:
    """The condition that holds when the phase has begun."""
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
"""The longest random delay, in seconds, between the start of the phase and the kill."""


def kill(target: str, run: Path, length: int, attempt: Attempt, chance: random.Random) -> bool:
    """Kill the process in the phase `target`. False if it had ended before."""
    reached = moment(target, run, length, attempt)
    if target in ("writing a checkpoint", "evaluation", "writing another file", "after an evaluation"):
        while attempt.alive and not attempt.works:
            time.sleep(0.005)
        before = time.monotonic() + chance.uniform(0, SPREAD)  # so that each kill hits another place
        while attempt.alive and time.monotonic() < before:
            time.sleep(0.005)
    end = time.monotonic() + PATIENCE
    while attempt.alive and not reached() and time.monotonic() < end:
        time.sleep(0.0003)
    time.sleep(chance.uniform(0, DELAYS[target]))
    attempt.process.kill()  # SIGKILL; no effect if it has ended by itself
    attempt.process.wait()
    return attempt.process.returncode == -signal.SIGKILL


def hit(run: Path, length: int, attempt: Attempt) -> str:
    """The phase in which a process died, by the files that it left."""
    if not run.exists():
        return "making the run folder" if has_new(run.parent, attempt) else "start-up"
    time.sleep(0.05)  # the thread that reads its output may be late
    if not attempt.works:  # then parts in the folder are of the process before
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
    """The next phase to aim at: one that can begin now and still lacks hits; the last evaluation comes last."""
    missing = [phase for phase, quota in QUOTAS.items() if hits[phase] < quota * kills / 25]
    early = [phase for phase in missing if phase in BEFORE]
    if early and not run.exists():
        return chance.choice(early)
    fits = [phase for phase in missing if phase not in (*early, LAST, *([] if run.exists() else [RESUME]))]
    at_end = QUOTAS[LAST] * kills / 25 - hits[LAST]
    if at_end > 0 and (not fits or kills - sum(hits.values()) <= at_end + 1):
        return LAST
    return chance.choice(fits or ["steps"])
