"""A run that kills itself with SIGKILL at a chosen point, as a program: `python -m train.killed_at FOLDER` in tests/.

For each point a child process starts the run of `runs_to_compare.DIGITS` and is gone in the middle of a call;
another child resumes it, or starts it again where there is no run folder. The children are forked from a process
that has imported everything and computed nothing, which saves seconds for each. Prints what happened as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

from cardinet.runs import folder as run_folders
from cardinet.runs.metrics import Metrics
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from train.runs_to_compare import DIGITS, train

REPLACE = "cardinet.base.files:os.replace"
# What is called, the how-manieth call, and whether the process dies before or after it. Files are replaced in this
# order: 1 run.toml, 2 data.json, 3 last; at steps 18 and 36 an evaluation: 4 best, 5 model, 6 last; and so on.
POINTS: dict[str, tuple[str, int, str]] = {
    "before run.toml": (REPLACE, 1, "before"),
    "before data.json": (REPLACE, 2, "before"),
    "before the first checkpoint": (REPLACE, 3, "before"),
    "before the folder has its name": ("cardinet.train.job:publish", 1, "before"),
    "after the folder has its name": ("cardinet.train.job:publish", 1, "after"),
    "between gradients and update": ("cardinet.train.whole_step:update", 1, "before"),
    "after step 13": ("cardinet.train.whole_step:update", 13, "after"),
    "in the middle of a line": ("cardinet.runs.metrics:Metrics.append", 3, "within"),
    "within the evaluation": ("cardinet.train.loop:evaluate", 1, "before"),
    "after a line of evaluation": ("cardinet.runs.metrics:Metrics.append", 5, "after"),
    "best written beside": (REPLACE, 4, "before"),
    "best renamed, model old": (REPLACE, 4, "after"),
    "model renamed, checkpoint old": (REPLACE, 5, "after"),
    "second checkpoint written beside": (REPLACE, 6, "before"),
    "second checkpoint renamed": (REPLACE, 6, "after"),
    "before the last evaluation": ("cardinet.train.job:finish", 1, "before"),
    "before evaluation.json": ("cardinet.train.finish:write_atomic", 1, "before"),
    "after evaluation.json": ("cardinet.train.finish:write_atomic", 1, "after"),
}
NO_RUN_YET = ("before run.toml", "before data.json", "before the first checkpoint", "before the folder has its name")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(target: str, number: int, when: str) -> None:
    """Make the call `number` of a function fatal."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *way, name = path.split(".")
    for step in way:
        owner = getattr(owner, step)
    function: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def fatal(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            die()
        if calls == number and when == "within":
            half_a_line(*arguments)
            die()
        result = function(*arguments, **options)
        if calls == number:
            die()
        return result

    setattr(owner, name, fatal)


def half_a_line(metrics: Metrics, row: dict[str, Any]) -> None:
    with open(metrics.path, "a") as file:
        file.write(json.dumps(row)[:25])


def child(work: Callable[[], object]) -> int:
    """Do something in a forked process; its exit code, negative for a signal."""
    number = os.fork()
    if number == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def killed(out: Path, point: tuple[str, int, str]) -> dict[str, Any]:
    """Kill a run at a point and bring it to its end."""

    def die_there() -> None:
        arm(*point)
        train(out, DIGITS)

    died = child(die_there)
    there = out.exists()
    parts = [str(path.relative_to(out.parent)) for path in out.parent.rglob(".*.part")]
    left = len(list(out.parent.glob(".cardinet-new-*")))
    ended = child(lambda: resume(out, Listener()) if there else train(out, DIGITS))
    after = [str(p) for pattern in (".cardinet-new-*", "**/.*.part") for p in out.parent.glob(pattern)]
    return {"died": died, "there": there, "parts": parts, "left": left, "ended": ended, "after": after}


def main() -> None:
    run_folders.ABANDONED_SECONDS = -1  # else the next start waits a minute before it removes what is left
    importlib.import_module("torch._dynamo")  # the first optimizer would import it, in each child again
    load_digits()
    folder, found = Path(sys.argv[1]), {}
    for number, (name, point) in enumerate(POINTS.items()):
        (folder / str(number)).mkdir()
        found[name] = killed(folder / str(number) / "run", point)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
