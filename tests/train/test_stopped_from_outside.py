"""The command itself, stopped by signals from another process while it works."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cardinet.data.batches import Batch, TrainBatches
from cardinet.data.source_listing import Encoded
from cardinet.train.interrupt import Interrupted
from train.runs_to_compare import DIGITS, PHOTOGRAPHS, differences, train

pytestmark = pytest.mark.long

LONG = DIGITS | {"length": "130 steps", "evaluate_every": "30 steps", "checkpoint_seconds": 0.1}
TWO_WORKERS = PHOTOGRAPHS | {"length": "36 steps", "evaluate_every": "14 steps", "checkpoint_seconds": 0.1}


def command(settings: dict[str, Any], out: Path) -> list[str]:
    return ["train", "--out", str(out), *(w for k, v in settings.items() for w in ("--set", f"{k}={v}"))]


def launch(words: list[str]) -> subprocess.Popen[str]:
    """`cardinet ...` in a process group of its own, as a shell does it for a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "cardinet", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def when_working(process: subprocess.Popen[str], out: Path, lines: int) -> None:
    """Wait until metrics.jsonl has some lines."""
    metrics = out / "metrics.jsonl"
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def finish(out: Path) -> str:
    """Resume to the end; what was said."""
    process = launch(["train", "--resume", str(out)])
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("whole") / "run", LONG).path


@pytest.fixture
def two_workers(photographs: Path) -> dict[str, Any]:
    return TWO_WORKERS | {"source": str(photographs), "workers": 2}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path: Path, whole: Path, number: signal.Signals) -> None:
    """Exit code 130; the sentence is a command, and the command finishes the run."""
    out = tmp_path / "run"
    process = launch(command(LONG, out))
    when_working(process, out, 3)
    process.send_signal(number)
    shown, said = process.communicate()
    assert process.returncode == 130
    assert shown == ""
    last = said.splitlines()[-1]
    assert last.startswith("Stopped after step ")
    assert last.endswith(f" of 130; saved. Continue with: cardinet train --resume {out}")
    step = int(last.removeprefix("Stopped after step ").split()[0])
    if number == signal.SIGINT:
        assert f"Resuming {out} after step {step} of 130." in finish(out)
        assert differences(whole, out) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group(tmp_path: Path, two_workers: dict[str, Any], number: signal.Signals) -> None:
    """So a terminal sends Ctrl-C, and a batch system or `timeout` SIGTERM: the workers hear it too, the run saves."""
    out = tmp_path / "run"
    process = launch(command(two_workers, out))
    when_working(process, out, 2)
    os.killpg(process.pid, number)
    said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "saved. Continue with: cardinet train --resume" in said


def test_killed_twice_with_two_workers(tmp_path: Path, two_workers: dict[str, Any]) -> None:
    out = tmp_path / "run"
    process = launch(command(two_workers, out))
    when_working(process, out, 2)
    process.kill()
    process.communicate()
    process = launch(["train", "--resume", str(out)])
    when_working(process, out, 8)
    process.kill()
    process.communicate()
    finish(out)
    assert differences(train(tmp_path / "whole", two_workers | {"workers": 0}).path, out) == []


class Stuck:
    """Encoded pictures of which no more come after some."""

    def __init__(self, base: Encoded, left: int) -> None:
        self.base = base
        self.left = multiprocessing.Value("i", left)

    def read(self, index: int) -> bytes:
        with self.left.get_lock():
            self.left.value -= 1
        while self.left.value < 0:
            time.sleep(0.05)
        return self.base.read(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_signal_ends_the_wait_for_pictures_that_do_not_come(
    tmp_path: Path, photographs: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of a network drive that is gone: one SIGTERM saves and leaves."""
    settings = TWO_WORKERS | {"source": str(photographs), "workers": workers}
    stream = TrainBatches.stream

    def stuck(batches: TrainBatches, start: int = 0) -> Iterator[Batch]:
        assert batches.split.encoded is not None
        batches.split = replace(batches.split, encoded=Stuck(batches.split.encoded, 60))
        alarm = threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGTERM))
        alarm.start()
        yield from stream(batches, start)

    monkeypatch.setattr(TrainBatches, "stream", stuck)
    began = time.monotonic()
    with pytest.raises(
        Interrupted, match=r"^Stopped after step \d+ of 36; saved. Continue with: cardinet train --resume"
    ):
        train(tmp_path / "run", settings)
    assert time.monotonic() - began < 12
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
