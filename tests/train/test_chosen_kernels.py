"""The kernels of a long run are measured once, kept, told and recorded; a short run has torch's unmeasured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cardinet.base import kept_choice
from cardinet.blocks.joined_norm import JoinedNorm
from cardinet.build.builder import build
from cardinet.runs.folder import RunFolder
from cardinet.train import kernels
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume
from cardinet.train.kernels import Choice, faster, is_long, with_kernels
from cardinet.train.listener import Listener
from cardinet.train.request import Request, resolve
from cardinet.train.task import Task
from cardinet.train.trainee import trainee
from train.runs_to_compare import DIGITS, TINY, differences, train

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="own kernels are compiled")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of choices for this test. The compiled kernels stay where they are."""
    real = kept_choice.file_of

    def file_of(kind: str, conditions: dict[str, Any]) -> Path | None:
        return tmp_path / f"{kind}.json" if kind == kernels.KIND else real(kind, conditions)

    for module in (kept_choice, kernels):
        monkeypatch.setattr(module, "file_of", file_of)
    return tmp_path / f"{kernels.KIND}.json"


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run on one CPU counts as long."""
    monkeypatch.setattr(kernels, "LONG", 1.0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks for which a measurement was made; own kernels are the faster ones in it."""
    found: list[Task] = []

    def made(task: Task, about: dict[str, Any]) -> Choice:
        found.append(task)
        times: dict[kernels.Kernels, float] = {"torch": 10.0, "own": 9.0}
        return Choice(version=kernels.VERSION, measured_for=about, milliseconds=times, kernels="own")

    monkeypatch.setattr(kernels, "_measured", made)
    return found


def task_of(**settings: Any) -> Task:
    return resolve(Request(settings=tuple({**TINY, **DIGITS, **settings}.items())), Listener()).task


def test_what_is_long() -> None:
    """resnet20_cifar has 41 M MACs: 3e13 MACs are 3e13 / (3 * 41e6) pictures, which are 244,000."""
    whole = {"network.depths": [3, 3, 3], "network.widths": [16, 32, 64], "network.width": 16, "size": 32}
    for pictures, long in ((200_000, False), (260_000, True)):
        settings = {**whole, "batch_size": 100, "length": f"{pictures // 100} steps"}
        assert is_long(task_of(**settings)) is long
        assert is_long(task_of(**settings, precision="float64")) is False


def test_own_kernels_have_to_be_clearly_faster() -> None:
    assert faster({"torch": 10.0, "own": 9.6}) == "own"
    assert faster({"torch": 10.0, "own": 9.8}) == "torch"
    assert faster({"torch": 10.0, "own": 11.0}) == "torch"


def test_a_short_run_has_torchs_without_a_measurement(asked: list[Task], own_cache: Path) -> None:
    said: list[str] = []
    assert with_kernels(task_of(), said.append).recipe.machine.kernels == "torch"
    assert (asked, said) == ([], [])
    assert not own_cache.exists()


def test_it_is_measured_once_kept_and_told(long: None, asked: list[Task], own_cache: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        assert with_kernels(task_of(), said.append).recipe.machine.kernels == "own"
    assert len(asked) == 1
    assert said[0] == said[1]
    assert said[0].startswith("Kernels: own, as measured: a step took 10 ms with torch, 9 ms with own.")
    assert str(own_cache) in said[0]
    assert with_kernels(task_of(kernels="torch"), said.append).recipe.machine.kernels == "torch"
    assert len(said) == 2
    with_kernels(task_of(batch_size=16), said.append)
    assert len(asked) == 2
    document = json.loads(own_cache.read_text())
    own_cache.write_text(json.dumps({**document, "kernels": "nvidia"}))  # it is damaged
    with_kernels(task_of(batch_size=16), said.append)
    assert len(asked) == 3


def test_a_real_measurement(long: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SECONDS", 0.0)
    before, state = torch.get_num_threads(), torch.get_rng_state()
    task = task_of()
    choice = kernels._measured(task, {})
    assert choice is not None
    assert set(choice.milliseconds) == {"torch", "own"}
    assert choice.kernels == faster(choice.milliseconds)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_the_choice_makes_the_network(asked: list[Task], long: None) -> None:
    task = with_kernels(task_of(), lambda sentence: None)
    for which, joined in ((task, True), (replace(task, recipe=task.recipe.but("machine", kernels="torch")), False)):
        network = trainee(which, build(task.spec)).network
        assert any(isinstance(module, JoinedNorm) for module in network.modules()) is joined


def test_a_run_records_its_kernels_and_repeats_its_bits(
    long: None, asked: list[Task], own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**TINY, **DIGITS, "length": "20 steps"}
    first, again = (train(tmp_path / name, settings).path for name in ("first", "again"))
    assert 'kernels = "own"' in (first / "run.toml").read_text()
    assert differences(first, again) == []

    class StopAt(Listener):
        def stepped(self, tick: Any) -> None:
            if tick.step == 18:
                raise KeyboardInterrupt

    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", {**settings, "checkpoint_seconds": 0}, StopAt())
    own_cache.unlink()  # what is recorded counts, not what would be chosen now
    monkeypatch.setattr(kernels, "_measured", lambda task, about: pytest.fail("it was measured again"))
    resume(RunFolder(tmp_path / "cut").path, Listener())
    assert differences(first, tmp_path / "cut") == []
