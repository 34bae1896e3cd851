"""What resume and start find in a folder, and what they say of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from safetensors import safe_open

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.cli.main import outcome
from cardinet.runs.folder import RunFolder, RunRecord
from cardinet.runs.model_file import load_model
from cardinet.runs.run_pictures import open_pictures
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.weights import checksums
from train.runs_to_compare import DIGITS, PHOTOGRAPHS, differences, make_photographs, train

SHORT = DIGITS | {"length": "10 steps"}
HOLD = """
import pathlib, sys
from cardinet.base.files import locked
with locked(pathlib.Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("finished") / "run", SHORT).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run of the test's own."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


class Heard(Listener):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, text: str) -> None:
        self.sentences.append(text)


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the folder's lock."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refusal(path: Path, kind: type[CardinetError]) -> str:
    with pytest.raises(CardinetError) as caught:
        resume(path, Listener())
    assert type(caught.value) is kind
    return str(caught.value)


def test_a_finished_run_says_so_and_stays_as_it_is(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    heard = Heard()
    resume(run, heard)
    assert heard.sentences == [f"{run} is finished (10 steps). To train on: --weights {run}/model.safetensors."]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert len(before) >= 6


CHANGED_SINCE: dict[str, Callable[[RunRecord], dict[str, Any]]] = {
    "versions": lambda record: {"versions": dict.fromkeys(record.versions, "0.1")},
    "draws": lambda record: {"draws": record.draws - 1},
    "pictures": lambda record: {"source": "/gone", "recipe": record.moved("/gone").recipe},
    "device": lambda record: {"device": "cuda:99"},
    "length": lambda record: {"recipe": {**record.recipe, "schedule": {"part": "Gone"}}},
}
"""What may have changed since a run began, each of which refuses to continue it."""


@pytest.mark.parametrize("what", CHANGED_SINCE)
def test_a_finished_run_is_finished_whatever_has_changed_since(run: Path, what: str) -> None:
    folder, heard = RunFolder(run), Heard()
    record = folder.record()
    folder.write_record(record.model_copy(update=CHANGED_SINCE[what](record)))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    resume(run, heard)
    assert heard.sentences == [f"{run} is finished (10 steps). To train on: --weights {run}/model.safetensors."]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    folder.evaluation.unlink()
    with pytest.raises(CardinetError):  # the same change refuses a run whose end is missing
        resume(run, Listener())


def test_what_may_have_changed_is_counted() -> None:
    assert len(CHANGED_SINCE) == 5


def test_a_run_that_another_process_writes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.runs.folder.PATIENCE", 0.1)
    with held(run):
        assert refusal(run, WorkError) == f"{run} is being written by another process; wait for it or stop it."
    resume(run, Listener())


def test_a_lock_that_is_about_to_be_given_back(run: Path) -> None:
    """The workers of a run that was killed hold its lock for a second longer; resume waits for that."""
    with held(run) as process:
        threading.Timer(0.5, process.kill).start()
        started = time.monotonic()
        resume(run, Listener())
        assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (".", "There is no run folder"),
        ("run.toml", "is not a run folder: it has no readable run.toml"),
        ("checkpoints/last.safetensors", "has no checkpoint, so there is nothing to resume; start it again"),
    ],
)
def test_something_is_missing(run: Path, missing: str, message: str) -> None:
    path = run / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert message in refusal(run, RequestError)


def test_a_file_in_place_of_a_folder(run: Path) -> None:
    assert "There is no run folder" in refusal(run / "run.toml", RequestError)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_damaged_checkpoint(run: Path, share: float) -> None:
    path = run / "checkpoints" / "last.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    found = refusal(run, WorkError)
    assert str(path) in found
    assert "damaged" in found or "truncated" in found


@pytest.mark.parametrize("text", ["steps = ", "steps = 10\n", "\x00"])
def test_a_damaged_record(run: Path, text: str) -> None:
    (run / "run.toml").write_text(text)
    assert "run.toml is damaged" in refusal(run, WorkError)


def test_metrics_that_were_cut_by_hand(run: Path) -> None:
    (run / "evaluation.json").unlink()
    (run / "metrics.jsonl").write_text("")
    assert "is shorter than its checkpoint says" in refusal(run, WorkError)


def test_a_run_of_before_has_no_checksums(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is evaluated, which says so, and goes on."""
    for file in run.rglob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            metadata = {name: text for name, text in opened.metadata().items() if name != checksums.KEY}
        file.write_bytes(safetensors.torch.save(safetensors.torch.load_file(file), metadata))
    assert outcome(["eval", str(run), "--workers", "0"]) == 0
    assert f"{run} has no checksums (earlier versions wrote none)" in capsys.readouterr().err
    (run / "evaluation.json").unlink()
    resume(run, Listener())
    assert load_model(run / "model.safetensors").checksums == "match"


def test_a_checkpoint_of_another_network(run: Path) -> None:
    record = (run / "run.toml").read_text()
    changed = record.replace("depths = [1, 1, 1]", "depths = [1, 2, 1]")
    assert changed != record
    (run / "run.toml").write_text(changed)
    (run / "evaluation.json").unlink()
    assert "does not belong to the network of its run.toml" in refusal(run, WorkError)


def test_other_versions_are_refused_all_at_once(run: Path) -> None:
    record = RunFolder(run).record()
    others = record.versions | {"torch": "1.0.0", "pillow": "2.0", "python": "3.0"}
    RunFolder(run).write_record(record.model_copy(update={"versions": others}))
    (run / "evaluation.json").unlink()
    found = refusal(run, RequestError).splitlines()
    assert len(found) == 2
    assert found[0].startswith("The run was made with torch 1.0.0, this is ")
    assert found[1].startswith("The run was made with pillow 2.0, this is ")
    assert all(line.endswith("; install the same to resume.") for line in found)


def test_other_data_is_refused(photographs: Path, tmp_path: Path) -> None:
    """A picture more; put back as it was, the run goes on."""
    root = Path(shutil.copytree(photographs, tmp_path / "pictures"))
    settings = PHOTOGRAPHS | {"source": str(root), "workers": 0, "length": "8 steps"}
    run = train(tmp_path / "run", settings).path
    (run / "evaluation.json").unlink()
    more = root / "train" / "ant" / "more.jpg"
    shutil.copy(root / "train" / "bee" / "0.jpg", more)
    assert f"The data {root} has changed since the run began" in refusal(run, WorkError)
    more.unlink()
    resume(run, Listener())
    assert (run / "evaluation.json").exists()


def test_the_exit_codes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong request 2, work that fails 1, a finished run 0."""
    assert outcome(["train", "--resume", str(tmp_path / "nowhere")]) == 2
    assert outcome(["train", "--resume", str(run), "--epochs", "3"]) == 2
    assert outcome(["train", "--resume", str(run)]) == 0
    (run / "checkpoints" / "last.safetensors").write_bytes(b"")
    assert outcome(["train", "--resume", str(run)]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_exists_is_not_touched(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(RequestError, match=r"exists; give --out a folder that does not \(or continue with --resume"):
        train(run, SHORT)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_folders_in_the_making_are_removed_unless_a_process_lives(tmp_path: Path, finished: Path) -> None:
    dead, living = tmp_path / ".cardinet-new-1-aaaaaaaa", tmp_path / ".cardinet-new-2-bbbbbbbb"
    young, users = tmp_path / ".cardinet-new-3-cccccccc", tmp_path / ".cardinet-new-4-dddddddd"
    for folder in (dead, living, young, users):
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "run.toml").write_text("half")
    (users / "thesis.txt").write_text("not ours")
    with held(living):
        for folder in (dead, living, users):
            os.utime(folder, (0, 0))
        run = train(tmp_path / "run", SHORT).path
        assert not dead.exists()
        assert young.exists()
        assert (users / "thesis.txt").exists()
        assert (living / "run.toml").exists()
    assert differences(finished, run) == []


def test_runs_without_a_name_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tuple((SHORT | {"length": "2 steps"}).items())
    from cardinet.train.job import start
    from cardinet.train.request import Request, resolve

    for _ in range(2):
        start(resolve(Request(settings=settings), Listener()), Listener())
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["resnext11_8x16d_digits-digits-1", "resnext11_8x16d_digits-digits-2"]


def test_skipped_pictures_stay_skipped_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source is typed as a relative path, and opened again from another folder."""
    make_photographs(tmp_path / "pictures")
    damaged = tmp_path / "pictures" / "train" / "bee" / "3.jpg"
    damaged.write_bytes(damaged.read_bytes()[:300])
    monkeypatch.chdir(tmp_path)
    settings = PHOTOGRAPHS | {"source": "pictures", "on_bad_image": "skip", "length": "3 steps", "workers": 0}
    run = train(tmp_path / "run", settings)
    assert run.record().skipped == ("train:train/bee/3.jpg",)
    monkeypatch.chdir("/")
    source = open_pictures(run.record())
    assert {name: len(split) for name, split in source.splits.items()} == run.record().pictures
    assert len(source.splits["train"]) == 23
