"""Trackers see a run and never change it: what they get, what is said of them, and what a continued run does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cardinet.base.errors import RequestError
from cardinet.python.train import train
from cardinet.runs.folder import RunFolder
from cardinet.runs.ranks import Ranks
from cardinet.train import watching
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.request import Request, resolve
from cardinet.train.trackers import Entry, Status, Tracked, Tracker, Tracking
from cardinet.train.trackers.mlflow import MLflow
from cardinet.train.trackers.tensorboard import TensorBoard
from cardinet.train.trackers.wandb import WandB
from cardinet.train.watching import TRACKERS, entry, to_documents, trackers_of
from train.runs_to_compare import differences

SHORT: dict[str, Any] = {"epochs": 1, "seed": 3, "workers": 0, "threads": 1, "log_every": "8 steps", "limit": 400}


class Told(Listener):
    """Keeps the sentences for the user; stops the run at a step."""

    def __init__(self, stops: int | None = None) -> None:
        self.sentences: list[str] = []
        self.stops = stops

    def said(self, text: str) -> None:
        self.sentences.append(text)

    def stepped(self, tick: Tick) -> None:
        if self.stops is not None and tick.step >= self.stops:
            raise Interrupted("stopped by the test")

    def about(self, word: str) -> list[str]:
        return [text for text in self.sentences if word in text]


class Kept(Tracker):
    """Keeps what it gets in this process."""

    NAME: ClassVar[str] = "Kept"
    LIBRARIES: ClassVar[tuple[str, ...]] = ()
    opened: ClassVar[list[Keeping]] = []

    def open(self, run: Tracked) -> Tracking:
        self.opened.append(Keeping(run))
        return self.opened[-1]


class Keeping(Tracking):
    def __init__(self, run: Tracked) -> None:
        self.run = run
        self.entries: list[Entry] = []
        self.status: Status | None = None

    def log(self, entry: Entry) -> None:
        self.entries.append(entry)

    def close(self, status: Status) -> None:
        self.status = status


class FullDisk(Kept):
    """Fails at its second entry."""

    NAME: ClassVar[str] = "FullDisk"

    def open(self, run: Tracked) -> Tracking:
        class Failing(Keeping):
            def log(self, entry: Entry) -> None:
                super().log(entry)
                if len(self.entries) == 2:
                    raise OSError(28, "No space left on device")

        return Failing(run)


class Gone(Kept):
    """Never answers."""

    NAME: ClassVar[str] = "Gone"

    def open(self, run: Tracked) -> Tracking:
        time.sleep(20)
        raise AssertionError


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody watches."""
    return train(out=tmp_path_factory.mktemp("plain") / "run", listener=Listener(), **SHORT).folder


@pytest.fixture(autouse=True)
def none_open() -> None:
    Kept.opened.clear()


def test_trackers_that_fail_or_hang_change_no_bit_and_are_told_once(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 0.2)
    told = Told()
    run = train(out=tmp_path / "run", listener=told, watch=[FullDisk(), Gone(), Kept()], **SHORT)
    assert not differences(plain, run.folder)
    (failed,) = told.about("FullDisk")
    assert failed.startswith("FullDisk has failed ([Errno 28] No space left on device) and gets no more of this run")
    assert told.about("Gone") == [
        "Gone has not taken everything in 0.2 seconds; metrics.jsonl has every line. Send the rest with: "
        f"cardinet train --resume {run.folder} --watch Gone"
    ]
    (kept,) = Kept.opened
    rows = RunFolder(run.folder).rows()
    assert [e.place for e in kept.entries] == [entry(row, 0).place for row in rows] + [("final", run.step)]
    assert kept.status == "finished"
    assert kept.entries[-1].values["final/test/error"] == run.results["test"]["error"]


def test_a_run_goes_on_with_its_trackers_or_with_others(plain: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "run", tmp_path / "events"
    with pytest.raises(Interrupted):
        train(out=out, listener=Told(stops=5), watch=[Kept(), TensorBoard(folder=str(folder))], **SHORT)
    assert Kept.opened[0].status == "stopped"
    record = RunFolder(out).record()
    documents = to_documents([Kept(), TensorBoard(folder=str(folder))])
    assert record.watch == documents
    told = Told()
    with pytest.MonkeyPatch.context() as patch:  # the test's tracker is in no table
        patch.setattr(TRACKERS, "rows", {**TRACKERS.rows, "Kept": Kept})
        resume(out, told)
    assert told.about("tracker") == []
    first, second = Kept.opened
    assert (first.run.identity, second.status) == (second.run.identity, "finished")
    assert [e.place for e in second.entries[:-1]] == [entry(row, 0).place for row in RunFolder(out).rows()]
    assert not differences(plain, out)
    (events,) = (folder / "run").iterdir()
    resume(out, Told(), watch=[Kept()])  # a finished run: the new tracker gets it whole
    third = Kept.opened[2]
    assert [e.place for e in third.entries] == [e.place for e in second.entries]
    assert RunFolder(out).record().watch == to_documents([Kept()])
    assert list((folder / "run").iterdir()) == [events]


def test_a_library_that_is_gone_does_not_hinder_a_run_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(out=out, listener=Told(stops=5), watch="tensorboard", **SHORT)
    monkeypatch.setattr(TensorBoard, "LIBRARIES", ("nothere",))
    told = Told()
    resume(out, told)
    (sentence,) = told.about("without one of its trackers")
    assert 'needs nothere, which is not installed: pip install "cardinet[watch]".' in sentence
    with pytest.raises(RequestError, match="nothere"):
        resume(out, told, watch=["tensorboard"])


def test_all_that_is_wrong_with_trackers_is_said_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MLflow, "LIBRARIES", ("nothere",))
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    request = Request(
        settings=(("data.source", "nothere"), ("optimizer.lr", -1.0)),
        watch=("mlflow", "wandb", "TENSORBOARD(fodler=x)", "tensorbord", "wandb(mode=offline)", "trackio"),
    )
    with pytest.raises(RequestError) as wrong:
        resolve(request, Listener())
    for part in (
        "optimizer.lr = -1.0",
        '"nothere"',
        "--watch MLflow needs nothere",
        "--watch WandB has no key for an account",
        'There is no setting "--watch TensorBoard: fodler" (nearest: folder)',
        'There is no tracker "tensorbord" (nearest: TensorBoard)',
        "--watch WandB is given twice",
        'needs trackio, which is not installed: pip install "cardinet[trackio]"',
    ):
        assert part in str(wrong.value), part
    assert len(wrong.value.findings) == 8


def test_text_and_objects_name_trackers() -> None:
    found = trackers_of(["tensorboard, WANDB(mode=offline, project=a)", Kept()])
    assert found == (TensorBoard(), WandB(mode="offline", project="a"), Kept())
    assert trackers_of(["none"]) == trackers_of([]) == ()


def test_the_environment_of_weights_and_biases_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert trackers_of(["wandb"]) == (WandB(),)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("cardinet.train.trackers.wandb.unreachable", lambda ask: "")
    (tmp_path / "keys").write_text("machine api.wandb.ai login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "keys"))
    assert trackers_of(["wandb"]) == (WandB(),)
    monkeypatch.setenv("WANDB_BASE_URL", "https://other.example")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RequestError, match="no key"):
        trackers_of(["wandb"])


def test_a_server_that_does_not_answer_is_named_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match=r"http://127.0.0.1:9 does not answer \(.*refused"):
        trackers_of(["MLflow(address=http://127.0.0.1:9)"])
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(RequestError, match=r"http://127.0.0.1:9 does not answer \(.*refused\); write files for later"):
        trackers_of(["WandB(mode=online)"])
    assert trackers_of(["WandB(mode=offline)"])


def test_only_the_leader_has_trackers() -> None:
    request = Request(settings=(("training.batch_size", 32),), watch=("nothere",))
    assert resolve(request, Listener(), ranks=Ranks(1, 2, 1, 2)).trackers == ()
