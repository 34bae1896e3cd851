"""The largest part of a batch that fits: out of memory halves it, the batch stays, and a run records what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.runs.folder import RunFolder
from cardinet.runs.metrics import Metrics
from cardinet.train import loop, micro_batch
from cardinet.train.estimate import memory_in_parts
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.micro_batch import with_parts
from cardinet.train.plain_options import as_settings
from cardinet.train.request import Request, Resolved, resolve
from train.runs_to_compare import TINY, differences, train

RUN: dict[str, Any] = {
    **TINY,
    "length": "12 steps",
    "evaluate_every": "6 steps",
    "log_every": "3 steps",
}


class Heard(Listener):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, text: str) -> None:
        self.sentences.append(text)


def asked(**settings: Any) -> Resolved:
    return resolve(Request(settings=tuple({**RUN, "accumulate": 0, **settings}.items())), Listener())


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes a machine on which a step of more pictures than that has no memory."""

    def limit(most: int) -> None:
        def made(task: Any) -> Callable[[int], None]:
            def step(pictures: int) -> None:
                if pictures > most:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

            return step

        monkeypatch.setattr(micro_batch, "made_up_step", made)

    return limit


@pytest.mark.parametrize(
    ("most", "sizes", "parts"), [(500, [48, 24, 12], 1), (30, [48, 24, 12, 6], 2), (7, [48, 24, 12, 6, 3], 8)]
)
def test_out_of_memory_halves_what_passes_at_once(
    most: int, sizes: list[int], parts: int, holds: Callable[[int], None]
) -> None:
    """Two smaller sizes than the largest that fits are timed, as they may be faster; the batch stays."""
    holds(most)
    heard = Heard()
    resolved, found = with_parts(asked(batch_size=48), heard)
    assert found is not None
    assert [trial.pictures for trial in found.trials] == sizes
    assert [trial.fits for trial in found.trials] == [size <= most for size in sizes]
    assert found.parts == resolved.task.recipe.training.accumulate == parts
    assert resolved.task.clock.batch_size == 48
    (said,) = heard.sentences
    assert said in resolved.notes
    assert f"training.accumulate = {parts}" in said
    for trial in found.trials:
        assert (trial.images_per_second is not None) == trial.fits
        assert f"{trial.pictures} {'at' if trial.fits else '(out of memory)'}" in said


def test_what_the_estimate_refuses_is_not_tried_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux lets a process have what it asks for and kills it later. Real steps of a real network are timed."""
    whole = asked(batch_size=64)
    needed = [memory_in_parts(whole.task, parts).of(64) for parts in (1, 2, 4)]
    assert needed == sorted(needed, reverse=True)
    monkeypatch.setattr(micro_batch, "available_memory", lambda device: (needed[1] + needed[2]) // 2)
    resolved, found = with_parts(whole, Listener())
    assert found is not None
    assert [trial.fits for trial in found.trials[:3]] == [False, False, True]
    assert found.trials[0].why.startswith("needs 0.")
    assert all((trial.images_per_second or 0) > 10 for trial in found.trials if trial.fits)
    assert resolved.memory.of(64) == needed[2]
    document = found.to_document()
    assert (document["batch_size"], document["accumulate"], len(document["trials"])) == (64, 4, len(found.trials))


def test_a_long_step_on_a_cpu_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_batch, "timed", lambda step, pictures: (1.0, 0.5 * pictures))
    found = with_parts(asked(batch_size=64), Listener())[1]
    assert found is not None
    assert [(trial.fits, trial.images_per_second) for trial in found.trials] == [
        (True, None),
        (True, None),
        (True, 2.0),
    ]
    assert found.trials[0].why == "fits by the estimate; a step takes about 32 s"
    assert found.parts == 1


def test_where_nothing_fits_the_run_does_not_begin(holds: Callable[[int], None]) -> None:
    holds(1)
    with pytest.raises(WorkError, match="Not even 2 pictures fit into the memory of cpu"):
        with_parts(asked(), Listener())


@contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """End the run in a line of metrics."""
    usual = Metrics.append

    def append(self: Metrics, row: dict[str, Any]) -> None:
        usual(self, row)
        if row["step"] >= step:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Metrics, "append", append)
        yield


@pytest.mark.long
def test_a_run_records_the_number_and_resumes_with_it(tmp_path: Path, holds: Callable[[int], None]) -> None:
    """The same bits as a run that asks for the number, also after a stop, and on a machine that would hold more."""
    holds(9)
    train(tmp_path / "asked", {**RUN, "accumulate": 4})
    with stopped_at(9), pytest.raises(BaseException, match="Stopped"):
        train(tmp_path / "found", {**RUN, "accumulate": 0})
    record = RunFolder(tmp_path / "found").record()
    assert record.recipe["training"]["accumulate"] == 4
    assert any("At once go 8 pictures" in note for note in record.notes)
    holds(500)
    resume(tmp_path / "found", Listener())
    assert differences(tmp_path / "asked", tmp_path / "found") == []


def test_a_step_that_finds_no_memory_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(loop, "whole_step", fails)
    with pytest.raises(WorkError, match="Step 1: cpu has not enough memory for 16 pictures at once") as caught:
        train(tmp_path / "run", {**RUN, "accumulate": 2})
    assert "--find-batch" in str(caught.value)
    assert "the batch of 32" in str(caught.value)
    monkeypatch.setattr(loop, "whole_step", lambda *words: (_ for _ in ()).throw(RuntimeError("another fault")))
    with pytest.raises(RuntimeError, match="another fault"):
        train(tmp_path / "other", RUN)


def test_the_option_is_the_setting() -> None:
    assert as_settings(find_batch=True, lr=0.1) == {"training.accumulate": 0, "optimizer.lr": 0.1}
    assert as_settings(find_batch=None) == as_settings(find_batch=False) == {}
    with pytest.raises(RequestError, match=r"training\.accumulate is given twice"):
        resolve(
            Request(settings=tuple(as_settings(find_batch=True).items()), assignments=("accumulate=2",)), Listener()
        )
