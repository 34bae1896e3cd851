"""A training by several processes: the losses of one process, exact resume, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cardinet.runs.folder import RunFolder
from cardinet.train.trackers.mlflow import MLflow
from cardinet.train.trackers.wandb import WandB
from ranks.started import said, start
from train.runs_to_compare import differences
from train.test_trackers import expected, mlflow_has, wandb_has

SMALL = (
    *("--batch-size", "48", "--seed", "3", "--workers", "0", "--set", "precision=float64", "--set", "threads=1"),
    *("--set", "log_every=1 step", "--set", "evaluate_every=4 steps", "--set", "data.limit=179"),
)


def command(out: str, steps: int, *more: str) -> list[str]:
    return ["-m", "cardinet", "train", *SMALL, "--set", f"length={steps} steps", "--out", out, *more]


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def train(folder: Path, count: int, words: list[str]) -> list[tuple[int, str, str]]:
    return said(start(words, count, folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one process and one of two."""
    made = tmp_path_factory.mktemp("together")
    started = [start(command(f"of{count}", 8), count, made) for count in (1, 2)]
    for processes in started:
        assert [code for code, _, _ in said(processes)] == [0] * len(processes)
    return made


def compare(one: Path, other: Path) -> None:
    """Losses equal up to rounding, and evaluations to the last picture."""
    for kind, count in (("train", 8), ("evaluation", 2)):
        pairs = list(zip(rows(one, kind), rows(other, kind), strict=True))
        assert len(pairs) == count
        for a, b in pairs:
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-10)
            assert b["error"] == a["error"]
    for a, b in zip(rows(one, "evaluation"), rows(other, "evaluation"), strict=True):
        assert (b["wrong"], b["count"]) == (a["wrong"], a["count"])
        assert a["count"] % 2


@pytest.mark.long
def test_two_processes_train_as_one(folder: Path) -> None:
    compare(folder / "of1", folder / "of2")
    assert RunFolder(folder / "of2").record().ranks == 2


@pytest.mark.long
@pytest.mark.parametrize("count", [3, 4])
def test_more_processes_train_as_one(folder: Path, count: int) -> None:
    results = train(folder, count, command(f"of{count}", 8))
    assert [code for code, _, _ in results] == [0] * count
    assert all(not out and not err for _, out, err in results[1:])
    compare(folder / "of1", folder / f"of{count}")


@pytest.mark.long
def test_a_lost_process_ends_the_run_which_resumes_in_the_same_bits(folder: Path) -> None:
    processes = start(command("cut", 8, "--set", "checkpoint_seconds=0"), 2, folder)
    metrics = folder / "cut" / "metrics.jsonl"
    until = time.monotonic() + 120
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 3):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(processes[1].pid, signal.SIGKILL)
    (code, _, err), _ = said(processes)
    assert code == 1
    assert "Another process of this run has ended" in err
    assert "Traceback" not in err
    alone = train(folder, 1, ["-m", "cardinet", "train", "--resume", "cut"])
    assert alone[0][0] == 2
    assert "The run began with 2 processes, and this is 1" in alone[0][2]
    assert [code for code, _, _ in train(folder, 2, ["-m", "cardinet", "train", "--resume", "cut"])] == [0, 0]
    assert not differences(folder / "of2", folder / "cut")


@pytest.mark.long
def test_what_is_refused_is_said_by_one_process(folder: Path) -> None:
    words = [word for word in command("of2", 8) if word not in ("48", "--batch-size")]
    (code, _, err), (other, out, silent) = train(folder, 2, [*words, "--batch-size", "49", "--lr", "-1"])
    assert (code, other, out, silent) == (2, 2, "", "")
    for part in ("of2 exists", "optimizer.lr = -1"):
        assert part in err
    nowhere = [word for word in command("x", 8) if word not in ("x", "--out")]
    results = train(folder, 2, [*nowhere, "--batch-size", "49"])
    assert [code for code, _, _ in results] == [2, 2]
    assert "name its folder with --out" in results[0][2]
    results = train(folder, 2, command("x", 8, "--batch-size", "49"))
    assert "batch_size = 49: 2 processes cannot divide it into equal parts; give 48 or 50." in results[0][2]
    assert not (folder / "x").exists()


@pytest.mark.long
def test_heads_growing_pictures_and_recomputation_are_those_of_one_process(tmp_path: Path) -> None:
    """The heads are trained on the gradients of all parts, and their BN sees the whole batch."""
    methods = 'AuxiliaryHeads(at=layer1, grid=5), ProgressiveResizing(start=6, by=2, until="4 steps")'
    more = ("--set", f"methods={methods}", "--set", "recompute=true")
    started = [start(command(f"of{count}", 8, *more), count, tmp_path) for count in (1, 2)]
    for processes in started:
        assert [code for code, _, _ in said(processes)] == [0] * len(processes)
    compare(tmp_path / "of1", tmp_path / "of2")
    assert [row["side"] for row in rows(tmp_path / "of2", "train")] == [6] * 4 + [8] * 4


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in MLflow's use of sqlalchemy
def test_trackers_of_several_processes_get_each_line_once(folder: Path) -> None:
    """The leader alone has them: one run, one file of events, and the bits of a run without them."""
    watched = f"tensorboard, MLflow(address=sqlite:///{folder / 'mlflow.db'}), WandB(mode=offline)"
    assert [code for code, _, _ in train(folder, 2, command("seen", 8, "--watch", watched))] == [0, 0]
    assert not differences(folder / "of2", folder / "seen")
    assert len(list((folder / "seen" / "tensorboard").glob("events*"))) == 1
    assert len(list((folder / "seen" / "wandb").glob("offline-run-*"))) == 1
    run, tracker = RunFolder(folder / "seen"), MLflow(address=f"sqlite:///{folder / 'mlflow.db'}")
    assert mlflow_has(run, tracker)[0] == expected(run)
    assert wandb_has(run, WandB(mode="offline"))[0] == expected(run)


@pytest.mark.long
def test_two_processes_of_ray_have_the_same_bits_and_say_their_error_once(folder: Path) -> None:
    by_ray = ("--engine", "ray", "--processes", "2")
    ((code, out, err),) = train(folder, 1, command("ray", 8, *by_ray))
    assert (code, len(out.splitlines())) == (0, 4), err
    assert "divided among 2 processes" in err
    assert "ray::" not in err
    assert not differences(folder / "of2", folder / "ray")
    ((code, out, err),) = train(folder, 1, command("ray", 8, *by_ray, "--lr", "-1"))
    assert (code, out) == (2, "")
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["error:", "error:"]
    for part in ("ray exists", "optimizer.lr = -1"):
        assert err.count(part) == 1


PROGRAM = """
import cardinet

settings = {"length": "8 steps", "log_every": "1 step", "evaluate_every": "4 steps", "data.limit": 179}
settings |= {"precision": "float64", "threads": 1}
run = cardinet.train(
    out="python", engine="ray", processes=2, batch_size=48, seed=3, workers=0, settings=settings
)
print(run.results["test"]["count"])
again = cardinet.train(resume="python", engine="ray")
print(again.folder)
"""


@pytest.mark.long
def test_ray_from_a_program_has_the_same_bits(folder: Path) -> None:
    ((code, out, err),) = train(folder, 1, ["-c", PROGRAM])
    assert (code, out.split()) == (0, ["179", "python"]), err
    assert not differences(folder / "of2", folder / "python")
