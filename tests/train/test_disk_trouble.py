"""A disk that is full or becomes read-only: one sentence, exit code 1, and no bit is lost once there is room again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breadth import breadth
from cardinet.base.errors import WorkError
from cardinet.cli.main import outcome
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from train.runs_to_compare import DIGITS, differences, train


class Mounts:
    """What a test has mounted; the test is skipped where the system does not permit it."""

    def __init__(self) -> None:
        self.places: list[Path] = []

    def mount(self, place: Path, *words: str) -> None:
        done = subprocess.run(["mount", *words, str(place)], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        if not any(word.startswith("remount") for word in words):
            self.places.append(place)

    def unmount(self, place: Path) -> None:
        subprocess.run(["umount", "-l", str(place)], check=True)
        self.places.remove(place)


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    found = Mounts()
    yield found
    for place in list(reversed(found.places)):
        found.unmount(place)


@pytest.fixture
def disk(tmp_path: Path, mounts: Mounts) -> Path:
    """A disk of 6 MB; a run needs about 4."""
    place = tmp_path / "disk"
    place.mkdir()
    mounts.mount(place, "-t", "tmpfs", "-o", "size=6m", "tmpfs")
    return place


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("whole") / "run", DIGITS).path


class At(Listener):
    """Does something at a step."""

    def __init__(self, step: int, deed: Callable[[], None]) -> None:
        self.step = step
        self.deed = deed

    def stepped(self, tick: Tick) -> None:
        if tick.step == self.step:
            self.deed()


def fill(disk: Path, leave: int) -> None:
    """Fill a disk but for some bytes."""
    room = os.statvfs(disk)
    (disk / "filler").write_bytes(b"x" * max(0, room.f_bavail * room.f_frsize - leave))


def step_of(run: Path, name: str = "last") -> int:
    return int(load_checkpoint(run / "checkpoints" / f"{name}.safetensors")[1]["step"])


def wait_until_saved(run: Path, step: int) -> None:
    """Wait until the last checkpoint holds a step: a thread writes it beside the steps, at the speed of the disk."""
    end = time.monotonic() + 120
    while step_of(run) < step:
        assert time.monotonic() < end, f"step {step} was not saved"
        time.sleep(0.01)


def failure(run: Path, listener: Listener, seconds: float = 1e6) -> str:
    """The one sentence of a run that fails."""
    with pytest.raises(WorkError) as caught:
        train(run, DIGITS | {"checkpoint_seconds": seconds}, listener)
    (sentence,) = caught.value.findings
    assert caught.value.exit_code == 1
    assert not list(run.rglob(".*.part"))
    return sentence


@pytest.mark.parametrize(("step", "saved"), breadth([(18, 0), (30, 18)], (18, 0)))
def test_no_room_for_a_checkpoint(disk: Path, whole: Path, step: int, saved: int) -> None:
    """Half a megabyte is left before the first or the second evaluation writes its checkpoints."""
    run = disk / "run"

    def fill_up() -> None:
        wait_until_saved(run, saved)
        fill(disk, leave=1 << 19)

    sentence = failure(run, At(step, fill_up))
    file = run / "checkpoints" / "best.safetensors"
    assert sentence == f"{file} could not be written: No space left on device. What was saved before is intact."
    assert step_of(run) == saved
    (disk / "filler").unlink()
    resume(run, Listener())
    assert differences(whole, run) == []


def test_no_room_for_a_line(disk: Path, whole: Path) -> None:
    """Nothing is left when the first line of metrics.jsonl is written, at step 4."""
    run = disk / "run"
    sentence = failure(run, At(2, lambda: fill(disk, leave=0)))
    file = run / "metrics.jsonl"
    assert sentence == f"{file} could not be written: No space left on device. Resume the run when it can be written."
    (disk / "filler").unlink()
    resume(run, Listener())
    assert differences(whole, run) == []


@pytest.mark.long
def test_still_no_room_when_resumed(disk: Path, whole: Path) -> None:
    run = disk / "run"
    failure(run, At(18, lambda: fill(disk, leave=1 << 19)))
    for _ in range(2):
        with pytest.raises(WorkError, match="No space left on device"):
            resume(run, Listener())
    assert step_of(run) == 0
    (disk / "filler").unlink()
    resume(run, Listener())
    assert differences(whole, run) == []


def test_no_room_for_the_first_checkpoint(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that cannot begin leaves no folder, neither a finished nor an unfinished one."""
    fill(disk, leave=1 << 19)
    assert outcome(["train", "--out", str(disk / "run"), "--set", "length=5 steps"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert "last.safetensors could not be written: No space left on device." in said[0]
    assert os.listdir(disk) == ["filler"]


@pytest.mark.parametrize("seconds", [0, pytest.param(1e6, marks=pytest.mark.long)])
@pytest.mark.parametrize("inside", breadth([".", "checkpoints"], "."))
def test_read_only_from_a_step_on(tmp_path: Path, whole: Path, mounts: Mounts, inside: str, seconds: float) -> None:
    """A bind mount over the run's folder, or over its checkpoints alone, that is made read-only at step 21."""
    run = tmp_path / "run"
    place = run / inside

    def freeze() -> None:
        wait_until_saved(run, 18)
        mounts.mount(place, "--bind", str(place))
        mounts.mount(place, "-o", "remount,bind,ro")

    sentence = failure(run, At(21, freeze), seconds)
    assert sentence.count("Read-only file system") == 1
    assert str(run) in sentence
    assert step_of(run) in ((18, 19, 20) if seconds == 0 else (18,))  # a due checkpoint passes while one is written
    before = (run / "run.toml").read_bytes()
    with pytest.raises(WorkError, match="Read-only file system"):
        resume(run, Listener())
    mounts.unmount(place)
    resume(run, Listener())
    assert (run / "run.toml").read_bytes() == before
    assert differences(whole, run) == []


def test_a_read_only_place_for_the_run(disk: Path, mounts: Mounts, capsys: pytest.CaptureFixture[str]) -> None:
    mounts.mount(disk, "-o", "remount,ro")
    assert outcome(["train", "--out", str(disk / "run"), "--set", "length=5 steps"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert said[0] == f"error: {disk}/run cannot be written: Read-only file system; name another place."
