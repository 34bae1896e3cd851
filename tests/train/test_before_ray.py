"""Mistakes of a training by Ray are found before Ray starts, all at once, by the command and in Python."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cardinet
from cardinet.base.errors import CardinetError, RequestError
from cardinet.cli.main import outcome
from cardinet.train.listener import Listener
from train.runs_to_compare import DIGITS, train
from train.test_exact_resume import Crash, Stopper


class Started(Exception):
    """Ray would have been started."""


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise Started

    monkeypatch.setattr("cardinet.train.on_ray.run_ranks", run)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_a_wrong_request_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--engine", "ray", "--processes", "2", "--lr", "-1", "--batch-size", "49", "--set", "wrong=1"]
    assert outcome(["train", *words]) == 2
    said = capsys.readouterr().err
    for text in ("optimizer.lr = -1", "name its folder with --out", 'no setting "wrong"'):
        assert said.count(text) == 1, said
    assert outcome(["train", "--engine", "ray", "--processes", "2", "--batch-size", "49", "--out", "x"]) == 2
    assert "2 processes cannot divide it into equal parts" in capsys.readouterr().err


def test_a_wrong_request_of_a_program(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        cardinet.train(engine="ray", processes=2, lr=-1, wrong=1, listener=Listener())
    assert len(caught.value.findings) == 3, caught.value.findings
    with pytest.raises(RequestError, match="no such engine"):
        cardinet.train(engine="dask")
    with pytest.raises(RequestError, match="this is for --engine ray"):
        cardinet.train(processes=2)
    labels = np.arange(20) % 2
    pictures = torch.utils.data.TensorDataset(torch.rand(20, 1, 8, 8), torch.from_numpy(labels))
    with pytest.raises(RequestError, match="do not have the data set of this program"):
        cardinet.train(data=pictures, engine="ray", processes=2, out=tmp_path / "run", listener=Listener())


def test_a_right_request_starts_ray(tmp_path: Path) -> None:
    with pytest.raises(Started):
        cardinet.train(engine="ray", processes=2, batch_size=48, out=tmp_path / "run", listener=Listener())
    assert outcome_of(["--engine", "ray", "--processes", "3", "--batch-size", "48", "--out", str(tmp_path / "run")])


def outcome_of(words: list[str]) -> bool:
    """Whether the command would start Ray."""
    try:
        outcome(["train", *words])
    except Started:
        return True
    return False


def test_another_machine_may_have_other_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://elsewhere:10001")
    with pytest.raises(Started):
        cardinet.train(data="/there/only", engine="ray", processes=2, out=tmp_path / "run", listener=Listener())


def test_several_processes_do_not_each_start_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RequestError, match="this work runs in one process"):
        cardinet.train(engine="ray", processes=2, out=tmp_path / "run", listener=Listener())


def test_what_hinders_a_continuation(tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number of processes, and a teacher that has moved, which a link brings back."""
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})  # each step is shown
    shutil.copy(teacher, tmp_path / "mine.safetensors")
    methods = f"Distillation(teacher={tmp_path / 'mine.safetensors'})"
    with pytest.raises(Crash):
        train(tmp_path / "run", DIGITS | {"methods": methods, "threads": 1}, Stopper(3, "crash"))
    (tmp_path / "mine.safetensors").rename(tmp_path / "moved.safetensors")
    with pytest.raises(CardinetError) as caught:
        cardinet.train(resume=tmp_path / "run", engine="ray", processes=2, watch="nothing", listener=Listener())
    said = "\n".join(caught.value.findings)
    for text in ("began with one process", 'mine.safetensors" is not there; put the file with the sha256', "nothing"):
        assert text in said, said
    (tmp_path / "mine.safetensors").symlink_to(tmp_path / "moved.safetensors")
    with pytest.raises(Started):
        cardinet.train(resume=tmp_path / "run", engine="ray", listener=Listener())
