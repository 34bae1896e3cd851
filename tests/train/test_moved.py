"""What a run writes does not depend on the working folder, and its pictures may move."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.runs.folder import RunFolder
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.request import Request, resolve
from train.runs_to_compare import PHOTOGRAPHS, differences, make_photographs, train

SETTINGS = PHOTOGRAPHS | {"workers": 0, "checkpoint_seconds": 0}


class Crash(Exception):
    """What a listener throws in the middle of a run."""


class Stopper(Listener):
    """Stops a run at its fifth step."""

    def stepped(self, tick: Tick) -> None:
        if tick.step == 5:
            raise Crash


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


@pytest.mark.long
def test_other_working_folders_and_pictures_that_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = make_photographs(tmp_path / "pictures")
    for place in ("here", "there/deeper"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    whole = train(tmp_path / "whole", SETTINGS | {"source": "../pictures"})
    for name in ("stopped", "moved"):
        with pytest.raises(Crash):
            train(tmp_path / name, SETTINGS | {"source": "../pictures"}, Stopper())

    monkeypatch.chdir(tmp_path / "there" / "deeper")
    stopped = resume(Path("../../stopped"), Listener())
    assert differences(whole.path, stopped.path) == []
    for file in ("model.safetensors", "evaluation.json"):
        assert (whole.path / file).read_bytes() == (stopped.path / file).read_bytes()
    assert whole.record().source == stopped.record().source == str(pictures)

    shutil.move(pictures, tmp_path / "there" / "new")
    moved = RunFolder(tmp_path / "moved")
    with pytest.raises((RequestError, WorkError)):
        resume(moved.path, Listener())
    make_photographs(tmp_path / "other")
    (tmp_path / "other" / "train" / "ant" / "0.jpg").write_bytes(b"another")
    with pytest.raises(WorkError, match="or is other data"):
        resume(moved.path, Listener(), "../../other")
    assert moved.record().source == str(pictures)  # a wrong place is not recorded
    resume(moved.path, Listener(), "../new")
    assert moved.record().source == str(tmp_path / "there" / "new")
    found = differences(whole.path, moved.path)
    assert found == []
    assert (whole.path / "evaluation.json").read_bytes() == (moved.path / "evaluation.json").read_bytes()


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for alone in ("", "1"):
        monkeypatch.setenv("WORLD_SIZE", alone)
        resolve(Request(settings=tuple({"length": "1 steps"}.items())), Listener())
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RequestError, match="WORLD_SIZE = 2: this work runs in one process"):
        resolve(Request(out=tmp_path / "run"), Listener())
    assert not (tmp_path / "run").exists()
