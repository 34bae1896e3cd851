"""A run that is stopped anywhere and resumed gives the bits of the run that was never stopped."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from breadth import breadth
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from train.runs_to_compare import DIGITS, PHOTOGRAPHS, differences, kinds_of_tensors, rows, train


class Crash(Exception):
    """What a listener throws in the middle of a run."""


class Stopper(Listener):
    """Stops a run at a step: by an exception, which saves nothing, or by the signal of Ctrl-C."""

    def __init__(self, step: int, how: str) -> None:
        self.step = step
        self.how = how
        self.sentences: list[str] = []

    def said(self, text: str) -> None:
        self.sentences.append(text)

    def stepped(self, tick: Tick) -> None:
        if tick.step == self.step:
            if self.how == "crash":
                raise Crash
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run on the embedded digits, which are in memory."""
    return train(tmp_path_factory.mktemp("whole") / "digits", DIGITS).path


@pytest.fixture(scope="module")
def photograph_run(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    """The uninterrupted run on photographs, decoded in this process."""
    settings = PHOTOGRAPHS | {"source": str(photographs), "workers": 0}
    return train(tmp_path_factory.mktemp("whole") / "photographs", settings).path


def stop_and_resume(out: Path, settings: dict[str, Any], stops: list[tuple[int, str]]) -> Path:
    """Run with a stop at each of the steps, and to the end."""
    first = Stopper(*stops[0])
    with pytest.raises((Crash, Interrupted)):
        train(out, settings, first)
    for stop in stops[1:]:
        with pytest.raises((Crash, Interrupted)):
            resume(out, Stopper(*stop))
    resume(out, Listener())
    return out


def saved_step(folder: Path) -> int:
    return int(load_checkpoint(folder / "checkpoints" / "last.safetensors")[1]["step"])


def test_what_is_compared(digits: Path) -> None:
    """41 parameters (13 convolutions, 13 BN, the classifier) with their momenta, 13 counters, 26 statistics."""
    assert kinds_of_tensors(digits) == {
        "parameters and counters": 54,
        "statistics": 26,
        "momenta": 41,
        "generators": 1,
    }
    assert [row["step"] for row in rows(digits) if row["kind"] == "evaluation"] == [18, 36, 50]
    assert len(rows(digits)) == 13 + 3
    assert differences(digits, digits) == []


def test_the_comparison_sees_a_difference(digits: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "other", DIGITS | {"seed": 1}).path
    found = differences(digits, other)
    assert {"metrics.jsonl", "model.safetensors", "last: random.cpu", "last: model.fc.weight"} <= set(found)


# Steps: the first, mid-window, at an evaluation, just before and after the end of an epoch (39), the last but one.
STOPS = [(1, "signal"), (7, "signal"), (18, "signal"), (38, "signal"), (40, "signal"), (49, "signal"), (21, "crash")]


@pytest.mark.parametrize(("step", "how"), breadth(STOPS, *STOPS[1:2], *STOPS[3:6]))
def test_digits_stopped_once(digits: Path, tmp_path: Path, step: int, how: str) -> None:
    out = stop_and_resume(tmp_path / "run", DIGITS, [(step, how)])
    assert differences(digits, out) == []


def test_stops_counted() -> None:
    assert len(STOPS) == 7


def test_a_signal_saves_its_own_step_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        train(out, DIGITS, Stopper(7, "signal"))
    assert caught.value.exit_code == 130
    assert caught.value.findings == (
        f"Stopped after step 7 of 50; saved. Continue with: cardinet train --resume {out}",
    )
    assert saved_step(out) == 7
    assert len(rows(out)) == 1
    assert load_checkpoint(out / "checkpoints" / "last.safetensors")[1]["window"]["steps"] == 3


class Impatient(Listener):
    """Presses Ctrl-C twice at step 25, or once in the last evaluation."""

    def __init__(self, where: str) -> None:
        self.where = where

    def stepped(self, tick: Tick) -> None:
        if self.where == "step 25" and tick.step == 25:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    def progress(self, what: str, done: int, total: int) -> None:
        if what == f"evaluating {self.where}":
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("where", "saved"),
    breadth([("step 25", 18), ("validation", 50), ("test", 50)], ("validation", 50), ("step 25", 18)),
)
def test_stopped_at_once(digits: Path, tmp_path: Path, where: str, saved: int) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        train(out, DIGITS, Impatient(where))
    assert str(caught.value).endswith(f"saved before is intact. Continue with: cardinet train --resume {out}")
    assert saved_step(out) == saved
    resume(out, Listener())
    assert differences(digits, out) == []


def test_a_crash_falls_back_to_the_last_checkpoint(digits: Path, tmp_path: Path) -> None:
    """Rows that were written after the checkpoint are cut off and written again."""
    out = tmp_path / "run"
    with pytest.raises(Crash):
        train(out, DIGITS, Stopper(29, "crash"))
    assert saved_step(out) == 18
    assert [row["step"] for row in rows(out)] == [4, 8, 12, 16, 18, 20, 24, 28]
    stopper = Stopper(0, "crash")
    resume(out, stopper)
    assert stopper.sentences == [f"Resuming {out} after step 18 of 50."]
    assert differences(digits, out) == []


def test_digits_stopped_again_and_again(digits: Path, tmp_path: Path) -> None:
    stops = [(1, "crash"), (3, "signal"), (5, "crash"), (19, "signal"), (20, "signal"), (36, "crash"), (41, "crash")]
    out = stop_and_resume(tmp_path / "run", DIGITS, stops)
    assert differences(digits, out) == []


@pytest.mark.long
def test_a_checkpoint_at_each_step_changes_no_bit(digits: Path, tmp_path: Path) -> None:
    out = stop_and_resume(tmp_path / "run", DIGITS | {"checkpoint_seconds": 0}, [(12, "crash"), (33, "crash")])
    assert differences(digits, out) == []


@pytest.mark.long
def test_the_other_settings_of_the_optimizer(tmp_path: Path) -> None:
    """Accumulated parts, a bounded gradient, two groups of weight decay, smoothed labels, steps of the rate."""
    settings = DIGITS | {
        "accumulate": 3,
        "clip": 0.5,
        "decay_norms_and_biases": False,
        "label_smoothing": 0.1,
        "nesterov": False,
        "schedule.kind": "step",
        "drops": ["20 steps", "60 %"],
    }
    whole = train(tmp_path / "whole", settings).path
    out = stop_and_resume(tmp_path / "run", settings, [(11, "signal"), (22, "signal")])
    assert differences(whole, out) == []


@pytest.mark.parametrize("workers", breadth([0, 2], 0))
def test_photographs_stopped_twice(photograph_run: Path, photographs: Path, tmp_path: Path, workers: int) -> None:
    """Two workers give the bits of the run that decoded in its own process, in whatever pieces."""
    settings = PHOTOGRAPHS | {"source": str(photographs), "workers": workers}
    out = stop_and_resume(tmp_path / "run", settings, [(3, "signal"), (9, "crash")])
    assert differences(photograph_run, out) == []


def test_photographs_never_stopped_with_two_workers(photograph_run: Path, photographs: Path, tmp_path: Path) -> None:
    out = train(tmp_path / "run", PHOTOGRAPHS | {"source": str(photographs), "workers": 2}).path
    assert differences(photograph_run, out) == []
    assert sum(row["kind"] == "train" for row in rows(out)) == 4
