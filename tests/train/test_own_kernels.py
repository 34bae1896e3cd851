"""The setting `kernels`: a run with own kernels repeats and resumes to the bit, and its model is any other's."""

from __future__ import annotations

from pathlib import Path

from train.runs_to_compare import differences, train
from train.test_methods import SHORT, crashed_and_resumed, every_step_is_shown

__all__ = ["every_step_is_shown"]


def test_a_run_has_the_same_bits_and_resumes(tmp_path: Path) -> None:
    settings = SHORT | {"kernels": "own", "length": "24 steps"}
    first = train(tmp_path / "first", settings)
    assert first.record().recipe["machine"]["kernels"] == "own"
    assert differences(train(tmp_path / "again", settings).path, first.path) == []
    assert differences(crashed_and_resumed(tmp_path / "cut", settings, step=21), first.path) == []
    torch_run = train(tmp_path / "torch", settings | {"kernels": "torch"})
    assert differences(torch_run.path, first.path) != []
