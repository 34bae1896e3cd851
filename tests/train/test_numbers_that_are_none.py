"""A run whose numbers overflow stops with the step and the cause, and its last checkpoint is finite."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cardinet.base.errors import WorkError
from cardinet.cli.main import outcome
from cardinet.data.batches import Batch, TrainBatches
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.train.divergence import guess_loss, has_diverged
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume, start
from cardinet.train.listener import Listener
from cardinet.train.recipe import OBJECTIVES
from cardinet.train.request import Request, resolve
from cardinet.train.training_step import update
from train.runs_to_compare import DIGITS, differences, train


def checkpoint(out: Path) -> tuple[int, list[str]]:
    """The step of the last checkpoint, and its tensors that are not finite."""
    tensors, state = load_checkpoint(out / "checkpoints" / "last.safetensors")
    floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    assert len(floats) >= 67
    return state["step"], [name for name, tensor in floats.items() if not tensor.isfinite().all()]


@pytest.mark.parametrize("precision", ["float32", "auto"])
@pytest.mark.parametrize("checkpoint_seconds", [0, 1e6])
@pytest.mark.parametrize("changes", [{}, {"weight_decay": 0.1}, {"momentum": 0}, {"clip": 1.0}, {"lr": 1e30}])
def test_a_rate_that_is_too_high(
    tmp_path: Path, changes: dict[str, Any], checkpoint_seconds: float, precision: str
) -> None:
    """Also where the loss is still a number and only the statistics of BN have overflowed."""
    out = tmp_path / "run"
    settings = DIGITS | {"lr": 1e6, "checkpoint_seconds": checkpoint_seconds, "precision": precision} | changes
    with pytest.raises(WorkError) as caught:
        train(out, settings)
    (sentence,) = caught.value.findings
    step, bad = checkpoint(out)
    assert bad == []
    stopped = int(sentence.removeprefix("Step ").partition(":")[0])
    assert (step == 0) if checkpoint_seconds else (0 < step < stopped)  # steps go on while a checkpoint is written
    assert 2 <= stopped <= 10
    assert "is too high; start again with --lr " in sentence
    assert f"the last good checkpoint is {out}/checkpoints/last.safetensors." in sentence


def test_the_exit_code_and_the_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert outcome(["train", "--lr", "1e6", "--out", str(out), "--set", "length=30 steps"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert re.match(
        r"error: Step \d+: .* Likely cause: the learning rate \(.*\) is too high; .*--lr 100000, or let ", said[0]
    )


def test_a_deviation_that_is_no_number(tmp_path: Path) -> None:
    listener = Listener()
    resolved = resolve(Request(settings=tuple(DIGITS.items()), out=tmp_path / "run"), listener)
    wrong = resolved.task.preprocessing.model_copy(update={"std": (math.nan,)})
    with pytest.raises(WorkError, match=r"Step 1: the loss is nan\. Likely cause: the batch holds .* \(nan,\)"):
        start(replace(resolved, task=replace(resolved.task, preprocessing=wrong)), listener)
    assert checkpoint(tmp_path / "run") == (0, [])


def test_a_bad_batch_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it stays: without it the run goes on and ends with the bits of a run that never met it."""
    out, stream = tmp_path / "run", TrainBatches.stream

    def poisoned(self: TrainBatches, start_step: int = 0) -> Iterator[Batch]:
        for step, batch in enumerate(stream(self, start_step), start_step + 1):
            yield replace(batch, pixels=batch.pixels * math.inf) if step == 23 else batch

    with monkeypatch.context() as patch:
        patch.setattr(TrainBatches, "stream", poisoned)
        with pytest.raises(WorkError, match=r"Step 23: the loss is nan\. Likely cause: the batch holds NaN"):
            train(out, DIGITS | {"checkpoint_seconds": 0})
    step, bad = checkpoint(out)
    assert (0 < step < 23, bad) == (True, [])  # steps go on while a checkpoint is written
    resume(out, Listener())
    whole = train(tmp_path / "whole", DIGITS).path
    assert differences(whole, out) == []


def test_an_update_that_overflows_behind_a_finite_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of step 18 is a number and its update is not; step 18 evaluates and saves, and must do neither."""
    from cardinet.train import whole_step

    out, calls = tmp_path / "run", list[torch.nn.Module]()

    def overflowing(network: torch.nn.Module, *rest: Any) -> None:
        update(network, *rest)
        calls.append(network)
        if len(calls) == 18:
            with torch.no_grad():
                next(network.parameters()).fill_(math.inf)

    monkeypatch.setattr(whole_step, "update", overflowing)
    with pytest.raises(WorkError, match=r"Step 18: model.conv1.weight overflowed"):
        train(out, DIGITS)
    assert checkpoint(out) == (0, [])
    assert not (out / "model.safetensors").exists()
    assert not (out / "checkpoints" / "best.safetensors").exists()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_training_that_diverges_in_finite_numbers_stops_and_says_so(tmp_path: Path, resumed: bool) -> None:
    """The loss of AdamW with a rate of 50 grows to thousands, and never becomes infinite."""
    out = tmp_path / "run"
    settings = DIGITS | {"optimizer": "AdamW(lr=50)", "schedule": "Constant()", "log_every": "8 steps", "threads": 1}
    if resumed:

        class Stop(Listener):
            def stepped(self, tick: Any) -> None:
                if tick.step >= 4:
                    raise KeyboardInterrupt

        with pytest.raises(Interrupted):
            train(out, settings | {"checkpoint_seconds": 0}, Stop())
    with pytest.raises(WorkError) as caught:
        resume(out, Listener()) if resumed else train(out, settings)
    (sentence,) = caught.value.findings
    assert re.match(r"Step (8|16): the mean loss of the last 8 steps is [\d.e+]+, and that of a network that", sentence)
    assert "only guesses is 2.3: the training diverges. Likely cause: the learning rate (50) is too high" in sentence
    assert "start again with --lr 5, or let --find-lr suggest one." in sentence


def test_a_high_loss_that_falls_and_a_low_one_are_no_divergence() -> None:
    assert has_diverged(100.0, 90.0, 2.3, steps=8)
    assert not has_diverged(100.0, 40.0, 2.3, steps=8)
    assert not has_diverged(45.0, 60.0, 2.3, steps=8)
    assert not has_diverged(100.0, 90.0, 2.3, steps=7)


GUESSES = {
    "CrossEntropy": math.log(10),
    "Focal": 0.9**2 * math.log(10),
    "BinaryCrossEntropy": math.log(2),
}


@pytest.mark.parametrize("name", GUESSES)
def test_the_loss_of_a_guess(name: str) -> None:
    assert guess_loss(OBJECTIVES.rows[name](), 10) == pytest.approx(GUESSES[name], rel=1e-6)
    assert math.isfinite(guess_loss(OBJECTIVES.rows[name](), 1000))


def test_every_objective_has_a_guess() -> None:
    assert set(GUESSES) == set(OBJECTIVES.rows)
