"""Trainings side by side: the same bits as one after another, all faults told, and a stop that saves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.reproduce.lab import silent
from cardinet.reproduce.training import Training
from cardinet.reproduce.workers import Workers
from cardinet.runs.folder import RunFolder
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener
from cardinet.train.state import read_state
from reproduce.tiny_claim import CLAIM, laboratory_of


@pytest.mark.long
def test_workers_train_the_same_bits_and_name_what_failed(tmp_path: Path) -> None:
    alone, beside = laboratory_of(tmp_path / "alone"), laboratory_of(tmp_path / "beside")
    wrong = Training("wrong", tmp_path / "wrong", "quick", {"data.source": str(tmp_path / "nowhere")})
    seen: list[str] = []
    with Workers(2, lambda what, done, total: seen.append(what)) as workers:
        workers.train(beside.unfinished())
        with pytest.raises(RequestError, match=r"wrong: .*nowhere"):
            workers.train([wrong])
        for worker in workers.workers:
            worker.process.kill()
        with pytest.raises(WorkError, match="exit code -9"):
            workers.train([wrong])
    assert beside.unfinished() == []
    assert set(seen) <= {f"{name}, seed {seed}" for name in CLAIM.arms("minutes") for seed in (0, 1)}
    for name in alone.arms:
        one, other = alone.trained(name, 1), beside.trained(name, 1)
        assert one.folder.model.read_bytes() == other.folder.model.read_bytes()
        assert not one.folder.last.exists()


def test_a_training_that_another_process_has_begun_meanwhile_is_said(tmp_path: Path) -> None:
    training = laboratory_of(tmp_path).training("with", 0)
    training.folder.mkdir(parents=True)
    with pytest.raises(
        WorkError, match=r"-[0-9a-f]{12} is being written by another process; wait for it or stop it\.$"
    ):
        training.run(Listener())


def test_a_stopped_training_is_continued_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    whole, stopped = laboratory_of(tmp_path / "whole"), laboratory_of(tmp_path / "stopped")

    def stop(what: str, done: int, total: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    stopped.progress = stop
    with pytest.raises(Interrupted):
        stopped.trained("with", 0)
    stopped.progress = silent
    assert list(stopped.faults()) == []
    one, other = whole.trained("with", 0), stopped.trained("with", 0)
    assert one.folder.model.read_bytes() == other.folder.model.read_bytes()


STOPPED = """
import sys
from pathlib import Path
from cardinet.base.errors import CardinetError
from cardinet.reproduce.job import reproduce
from cardinet.runs.folder import RunFolder
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener
from cardinet.train.state import read_state
from reproduce.tiny_claim import endless, prepared

def told(what, done, total):
    print(what, done, total, flush=True)

if __name__ == "__main__":
    try:
        reproduce(prepared(Path(sys.argv[1]), endless(), int(sys.argv[2]), told))
    except CardinetError as error:
        print(error)
        sys.exit(error.exit_code)
"""


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("all_of_it", [True, False], ids=["as from a terminal", "only the first process"])
def test_ctrl_c_saves_every_training(tmp_path: Path, jobs: int, all_of_it: bool) -> None:
    script, book = tmp_path / "stopped.py", tmp_path / "book"
    script.write_text(STOPPED)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path)])}
    words = [sys.executable, str(script), str(book), str(jobs)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True)
    assert process.stdout is not None
    seen: set[str] = set()
    while len(seen) < jobs:
        seen.add(process.stdout.readline().split(",")[0])
    time.sleep(0.5)
    (os.killpg if all_of_it else os.kill)(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "Continue with: cardinet reproduce tiny --scale minutes --seeds 2 --out" in rest
    runs = list((book / "runs").iterdir())
    assert len(runs) == jobs
    for run in runs:
        _, progress, _ = read_state(RunFolder(run).last)
        assert progress.step > 0
