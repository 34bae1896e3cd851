"""What something else removes from the folder of a run while it trains: written again with the same bits, or named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cardinet.base.errors import WorkError
from cardinet.cli.main import outcome
from cardinet.runs.folder import RunFolder
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.loop import Loop
from cardinet.train.missing_files import keep_model
from train.runs_to_compare import DIGITS, differences, train

FILES = ("run.toml", "metrics.jsonl", "data.json", "model.safetensors", "checkpoints/last.safetensors")


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("whole") / "run", DIGITS).path


class At(Listener):
    """Does something at a step, and hears what is said."""

    def __init__(self, step: int, deed: Callable[[], object]) -> None:
        self.step, self.deed = step, deed
        self.sentences: list[str] = []

    def stepped(self, tick: Tick) -> None:
        if tick.step == self.step:
            self.deed()

    def said(self, text: str) -> None:
        self.sentences.append(text)


def test_files_that_are_removed_are_written_again(whole: Path, tmp_path: Path) -> None:
    """At the last step, after every evaluation but that which comes with it; of the best model nothing is lost."""
    run = tmp_path / "run"

    def remove() -> None:
        for name in FILES:
            (run / name).unlink()

    listener = At(49, remove)
    train(run, DIGITS, listener)
    assert differences(whole, run) == []
    assert RunFolder(run).record().steps == 50
    assert (run / "data.json").read_bytes() == (whole / "data.json").read_bytes()
    for name in FILES[:3]:
        assert sum(str(run / name) in sentence and "written again" in sentence for sentence in listener.sentences) == 1


def test_the_best_model_comes_back_from_its_checkpoint(whole: Path, tmp_path: Path) -> None:
    """Removed between the last evaluation of the run and the end."""
    import cardinet.train.job as job

    run = tmp_path / "run"

    def removed(loop: Loop) -> None:
        (run / "model.safetensors").unlink()
        keep_model(loop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "keep_model", removed)
        train(run, DIGITS)
    assert differences(whole, run) == []
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    (run / "model.safetensors").unlink()
    resume(run, Listener())  # of a finished run
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    (run / "model.safetensors").unlink()
    (run / "checkpoints" / "best.safetensors").unlink()
    with pytest.raises(WorkError, match="so the best weights are lost"):
        resume(run, Listener())


def test_what_cannot_be_written_again_is_named(whole: Path, tmp_path: Path) -> None:
    """The evaluation is done again, as after a kill just before it; the rest was removed while nothing ran."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    names = ("evaluation.json", "data.json", "checkpoints/best.safetensors")
    for name in names:
        (run / name).unlink()
    listener = At(0, lambda: None)
    resume(run, listener)
    for name, sentence in ((names[1], "the report does not show"), (names[2], "the best weights are in")):
        assert sum(f"{run / name} was removed" in said and sentence in said for said in listener.sentences) == 1
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.parametrize("deed", ["moved", "removed"])
def test_a_folder_that_is_gone_is_named(deed: str, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def remove() -> None:
        while run.exists():  # a file of the run may be written meanwhile
            shutil.rmtree(run, ignore_errors=True)

    away = (lambda: run.rename(tmp_path / "there")) if deed == "moved" else remove
    with pytest.raises(WorkError, match=r"run was moved or removed while the run trained") as error:
        train(run, DIGITS, At(20, away))
    assert len(error.value.findings) == 1
    if deed == "moved":
        assert outcome(["train", "--resume", str(tmp_path / "there")]) == 0
        assert (tmp_path / "there" / "report.html").is_file()
