"""The model that is kept: the best on validation data; without validation data the last, whatever the test says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.folder import RunFolder
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.request import Request, resolve
from cardinet.weights.read_file import read_tensors
from train.runs_to_compare import DIGITS, PHOTOGRAPHS, as_bytes, make_photographs, train

# The rate does not fall, so that the last evaluation is not the best one.
RESTLESS = DIGITS | {"length": "90 steps", "evaluate_every": "6 steps", "schedule.kind": "constant", "lr": 0.2}


def parameters(checkpoint: Path) -> dict[str, bytes]:
    tensors = load_checkpoint(checkpoint)[0]
    return as_bytes({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})


def model(run: RunFolder) -> dict[str, bytes]:
    return as_bytes(read_tensors(run.model))


def evaluations(run: RunFolder) -> list[dict[str, Any]]:
    return [row for row in run.rows() if row["kind"] == "evaluation"]


def run_with(out: Path, splits: tuple[str, ...], settings: dict[str, Any] = RESTLESS) -> RunFolder:
    """A run on the digits that sees only some of their splits."""
    listener = Listener()
    resolved = resolve(Request(settings=tuple(settings.items()), out=out), listener)
    source = replace(resolved.task.source, splits={name: resolved.task.source.splits[name] for name in splits})
    return start(replace(resolved, task=replace(resolved.task, source=source)), listener)


def test_the_best_on_validation_is_kept(tmp_path: Path) -> None:
    run = train(tmp_path / "run", RESTLESS)
    seen = evaluations(run)
    assert len(seen) == 15
    assert {row["split"] for row in seen} == {"validation"}
    best = min(seen, key=rank)
    assert best["step"] != 90, "the run must get worse at its end for this test to show anything"
    assert model(run) == parameters(run.best) != parameters(run.last)
    assert load_checkpoint(run.best)[1]["step"] == best["step"]
    assert load_checkpoint(run.last)[1]["best"]["step"] == best["step"]
    records = [row["step"] for i, row in enumerate(seen) if row == min(seen[: i + 1], key=rank)]
    assert [row["step"] for row in seen if row["best"]] == records


def rank(row: dict[str, Any]) -> tuple[float, int]:
    """The lowest error; of equal ones the later."""
    return row["error"], -row["step"]


@pytest.mark.long
def test_without_validation_nothing_is_selected(tmp_path: Path) -> None:
    """The test split is evaluated for the eye alone; the last weights are kept although others tested better."""
    run = run_with(tmp_path / "run", ("train", "test"))
    seen = evaluations(run)
    assert {row["split"] for row in seen} == {"test"}
    assert len(seen) == 15
    assert min(seen, key=rank)["step"] != 90, (
        "the last weights must not be the best ones for this test to show anything"
    )
    assert not any(row["best"] for row in seen)
    assert not run.best.exists()
    assert load_checkpoint(run.last)[1]["best"] is None
    assert model(run) == parameters(run.last)


@pytest.mark.long
def test_the_test_split_changes_no_choice(tmp_path: Path) -> None:
    """With and without a test split beside validation the same weights are kept."""
    short = RESTLESS | {"length": "40 steps"}
    both = run_with(tmp_path / "both", ("train", "validation", "test"), short)
    one = run_with(tmp_path / "one", ("train", "validation"), short)
    assert model(both) == model(one)
    assert parameters(both.last) == parameters(one.last)


def test_with_training_pictures_alone(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", ("train",), DIGITS)
    assert evaluations(run) == []
    assert model(run) == parameters(run.last)


@pytest.mark.parametrize(("name", "split"), [("test", "test"), ("val", "validation")])
def test_a_folder_with_two_splits(tmp_path: Path, name: str, split: str) -> None:
    root = make_photographs(tmp_path / "pictures")
    (root / "val").rename(root / name)
    sentences: list[str] = []
    run = train(tmp_path / "run", PHOTOGRAPHS | {"source": str(root), "workers": 0})
    sentences += run.record().notes
    assert {row["split"] for row in evaluations(run)} == {split}
    assert run.best.exists() == (split == "validation")
    assert any("results select nothing" in note for note in sentences) == (split == "test")
    assert model(run) == parameters(run.best if split == "validation" else run.last)
