"""Proof: several processes train as one does, lose no bit when one is killed, and may be on several machines.

command   python proofs/many_processes.py [--kills 10] [--parts equal kills agents ray]
expected  "passed" for every part, and exit code 0; 1 where anything differs
time      20 minutes on 2 CPU cores

equal     Batches of 48 in float64 on the digits: 1 process, and 2, 3 and 4 with parts of 24, 16 and 12. The losses of
          50 steps differ by at most 1e-5 of themselves, the evaluations (179 pictures, which no number divides) by no
          picture.
kills     Two processes under torchrun; one of them is killed with SIGKILL at random moments, and torchrun starts both
          again. The run ends in the bits of an undisturbed one.
agents    Two torchrun agents with one process each and a working folder each, which meet on the loopback address: the
          bits of one agent with two processes. Then one agent with its process is killed and started again.
ray       Two processes of Ray (`--engine ray`): the bits of two processes under torchrun. Then one of them is killed at
          random moments, and Ray starts both again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from run_files import differences, last_row

ONE, MANY = [sys.executable], [sys.executable, "-m", "torch.distributed.run"]
STEPS = 400
SETTINGS: dict[str, object] = {
    "length": f"{STEPS} steps",
    "log_every": "10 steps",
    "evaluate_every": "100 steps",
    "checkpoint_seconds": 0.5,
    "threads": 1,
    "precision": "float32",
}


def training(out: str, changes: dict[str, object] | None = None) -> list[str]:
    """The words after `python` or torchrun."""
    words = ["-m", "cardinet", "train", "--seed", "3", "--workers", "0", "--batch-size", "48", "--out", out]
    return words + [
        word for key, value in {**SETTINGS, **(changes or {})}.items() for word in ("--set", f"{key}={value}")
    ]


def start(words: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """A process in a group of its own, whose words go to a file in its working folder."""
    folder.mkdir(exist_ok=True)
    with open(folder / "said.txt", "ab") as said:
        return subprocess.Popen(words, cwd=folder, stdout=said, stderr=said, start_new_session=True)


def finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for a process. Ends the proof if it fails."""
    if process.wait():
        sys.exit(f"exit code {process.returncode}:\n{(folder / 'said.txt').read_text()[-3000:]}")


def workers(agent: int) -> list[int]:
    """The trainings that a torchrun agent has started."""
    try:
        children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
        return [int(child) for child in children if b"cardinet" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []


def rows(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def same(one: Path, other: Path) -> bool:
    """Whether two runs have the same bits."""
    found = differences(one, other)
    print(f"{other.parent.name}/{other.name} against {one.name}: {', '.join(found) or 'the same bits'}")
    return not found


def equal(folder: Path, kills: int) -> bool:
    changes = {"precision": "float64", "length": "50 steps", "log_every": "1 step", "evaluate_every": "25 steps"}
    good = True
    for count in (1, 2, 3, 4):
        words = training(f"of{count}", {**changes, "data.limit": 179})
        finish(start([*(ONE if count == 1 else [*MANY, f"--nproc-per-node={count}"]), *words], folder), folder)
        one, other = folder / "of1", folder / f"of{count}"
        pairs = list(zip(rows(one, "train"), rows(other, "train"), strict=True))
        worst = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in pairs)
        scores = [[(row["wrong"], row["count"]) for row in rows(run, "evaluation")] for run in (one, other)]
        print(f"{count} processes: {len(pairs)} losses at most {worst:.1e} apart; wrong, of: {scores[1]}")
        good &= worst < 1e-5 and scores[0] == scores[1] and len(pairs) == 50
    return good


def killed(folder: Path, kills: int) -> bool:
    finish(start([*MANY, "--nproc-per-node=2", *training("whole")], folder), folder)
    draw, done, number = random.Random(0), 0, 0
    good = True
    while done < kills:
        number += 1
        run = folder / f"cut{number}"
        agent = start([*MANY, "--nproc-per-node=2", f"--max-restarts={kills}", *training(run.name)], folder)
        while agent.poll() is None and done < kills:
            seen = last_row(run).get("step", 0)
            wait_for_more(run, seen, agent)
            time.sleep(draw.uniform(0, 1.5))
            if found := workers(agent.pid):
                os.kill(draw.choice(found), signal.SIGKILL)
                done += 1
        finish(agent, folder)
        good &= same(folder / "whole", run)
    print(f"{done} kills in {number} runs")
    return good


def of_ray() -> list[int]:
    """The trainings in processes of Ray, which Ray names after the actor of its Ray Train."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"TrainWorker" in (entry / "cmdline").read_bytes().partition(b"\0")[0]:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def ray(folder: Path, kills: int) -> bool:
    if not (folder / "whole").exists():
        finish(start([*MANY, "--nproc-per-node=2", *training("whole")], folder), folder)
    words = ["--engine", "ray", "--processes", "2"]
    finish(start([*ONE, *training("by-ray"), *words], folder), folder)
    good = same(folder / "whole", folder / "by-ray")
    draw, done, number = random.Random(1), 0, 0
    while done < kills:
        number += 1
        run = folder / f"ray-cut{number}"
        driver = start([*ONE, *training(run.name), *words], folder)
        while driver.poll() is None and done < kills:
            wait_for_more(run, last_row(run).get("step", 0), driver)
            time.sleep(draw.uniform(0, 1.5))
            if found := of_ray():
                os.kill(draw.choice(found), signal.SIGKILL)
                done += 1
        finish(driver, folder)
        good &= same(folder / "whole", run)
    print(f"{done} kills of processes of Ray in {number} runs; left: {of_ray() or 'none'}")
    return good and not of_ray()


def agents(folder: Path, kills: int) -> bool:
    whole = folder / "whole"
    if not whole.exists():
        finish(start([*MANY, "--nproc-per-node=2", *training("whole")], folder), folder)
    good = True
    for name, disturbed in (("two-agents", False), ("an-agent-killed", True)):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        meeting = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}"]
        words = [*MANY, *meeting, f"--rdzv-id={name}", "--max-restarts=9", *training(name)]
        places = [folder / f"{name}-{letter}" for letter in "ab"]
        started = [start(words, places[0])]
        time.sleep(2)  # the first agent keeps the meeting, so it is never the one that is killed
        started.append(start(words, places[1]))
        if disturbed:
            while max(last_row(place / name).get("step", 0) for place in places) < 100:
                time.sleep(0.05)
            for number in [*workers(started[1].pid), started[1].pid]:
                os.kill(number, signal.SIGKILL)
            started[1].wait()
            started[1] = start(words, places[1])
        for process, place in zip(started, places, strict=True):
            finish(process, place)
        runs = [place / name for place in places if (place / name).exists()]
        print(f"{name}: {len(runs)} run folder")
        good &= len(runs) == 1 and same(whole, runs[0])
    return good


def wait_for_more(run: Path, step: int, agent: subprocess.Popen[bytes]) -> None:
    """Wait until a run has gone on beyond a step, or has ended."""
    until = time.monotonic() + 300
    while agent.poll() is None and last_row(run).get("step", 0) <= step:
        if time.monotonic() > until:
            sys.exit("nothing happened for 5 minutes")
        time.sleep(0.05)


PARTS = {"equal": equal, "kills": killed, "agents": agents, "ray": ray}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder to work in, and to look at after")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Else an agent that comes later waits for an address that torch 2.14's first agent has told only once.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for part in options.parts:
            passed = PARTS[part](folder, options.kills)
            print(f"{part}: {'passed' if passed else 'FAILED'}", flush=True)
            good &= passed
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
