"""Checkpoints are written beside the steps, with the values of their step."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.train.job import start
from cardinet.train.listener import Listener, Tick
from cardinet.train.methods import Hooks, Method
from cardinet.train.methods.weight_average import WeightAverage
from cardinet.train.request import Request, resolve
from cardinet.train.saving import held_on_host
from cardinet.weights.read_file import read_tensors
from train.runs_to_compare import DIGITS, train

STEPS_BESIDE = 3


class Kept(Hooks):
    """Keeps a copy of the first parameter after each step."""

    def __init__(self, parameter: Tensor, kept: list[Tensor]) -> None:
        self.parameter, self.kept = parameter, kept

    def after_update(self, step: int) -> None:
        self.kept.append(self.parameter.detach().clone())


class Keeps(Method):
    def hooks(self, network: Any, optimizer: Any, conditions: Any) -> Hooks:
        return Kept(network.fc.weight, KEPT)


KEPT: list[Tensor] = []


def test_steps_go_on_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes a checkpoint only after some more steps; the file has the values of its own step."""
    KEPT.clear()
    written, blocked = list[int](), list[int]()
    more = threading.Event()

    def slow(path: Path, content: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            blocked.append(len(KEPT))
            more.clear()
            # The run's last checkpoints have no steps after them.
            assert len(KEPT) > 45 or more.wait(60), "the steps wait for the disk"
        write_atomic(path, content)
        tensors, state = load_checkpoint(path)
        written.append(state["step"])
        if state["step"]:
            assert torch.equal(tensors["model.fc.weight"], KEPT[state["step"] - 1])

    class Steps(Listener):
        def stepped(self, tick: Tick) -> None:
            if blocked and tick.step >= blocked[-1] + STEPS_BESIDE:
                more.set()

    monkeypatch.setattr("cardinet.runs.checkpoint.write_atomic", slow)
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": 0.0})
    settings = DIGITS | {"evaluate_every": "50 steps", "checkpoint_seconds": 0}
    listener = Steps()
    request = Request(settings=tuple(settings.items()), out=tmp_path / "run", callbacks=(Keeps(),))
    start(resolve(request, listener), listener)
    assert written == sorted(written)
    assert len(set(written)) > 4
    assert written[-1] == 50
    ends = [step for step in written if step > 0]
    assert all(later - earlier >= STEPS_BESIDE for earlier, later in itertools.pairwise(ends) if later < 46)


def test_a_disk_that_refuses_ends_the_run_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def refuses(path: Path, content: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise WorkError(f"{path} could not be written: it is full.")
        write_atomic(path, content)

    class Steps(Listener):
        def stepped(self, tick: Tick) -> None:
            steps.append(tick.step)

    monkeypatch.setattr("cardinet.runs.checkpoint.write_atomic", refuses)
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": 0.0})
    with pytest.raises(WorkError, match="it is full"):
        train(tmp_path / "run", DIGITS | {"evaluate_every": "50 steps", "checkpoint_seconds": 0}, Steps())
    assert steps[-1] < 45


def test_the_model_file_has_the_average_and_the_checkpoint_both(tmp_path: Path) -> None:
    settings = DIGITS | {"methods": {"WeightAverage": WeightAverage(decay=0.9)}}
    folder = train(tmp_path / "run", settings)
    tensors, _ = load_checkpoint(folder.best)
    model = read_tensors(folder.model)
    assert torch.equal(model["fc.weight"], tensors["method.WeightAverage.fc.weight"])
    assert not torch.equal(model["fc.weight"], tensors["model.fc.weight"])


def test_what_is_held_shares_copies_and_no_memory_with_the_run() -> None:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    empty = torch.empty(0)
    first, second = held_on_host([{"a": weight, "e": empty}, {"b": weight.detach(), "t": weight[1:]}])
    assert first["a"] is second["b"]
    assert first["a"].data_ptr() != weight.data_ptr()
    assert first["a"].stride() == weight.stride()
    weight[:] = 0
    assert first["a"].abs().sum() > 0
    assert torch.equal(second["t"], first["a"][1:])
