"""Runs with repeated augmentation and balanced classes: exact resume, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardinet.base.errors import RequestError
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from train.runs_to_compare import differences, train
from train.test_exact_resume import Crash, Stopper
from train.test_methods import SHORT, task_with

SAMPLED = SHORT | {"repeats": 2, "balanced": True, "augmentation": "PadCrop(pad=1)"}


def test_a_run_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The crash is in the first epoch, and the resumed run goes on into the second."""
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    whole = train(tmp_path / "whole", SAMPLED)
    with pytest.raises(Crash):
        train(tmp_path / "run", SAMPLED, Stopper(25, "crash"))
    assert differences(resume(tmp_path / "run", Listener()).path, whole.path) == []
    training = whole.record().recipe["training"]
    assert (training["repeats"], training["balanced"]) == (2, True)
    assert whole.record().steps_per_epoch == 39  # as without


def test_what_cannot_be_sampled_is_found_together() -> None:
    with pytest.raises(RequestError) as caught:
        task_with("FixedDepth(units=2)", repeats=3, balanced=True, class_weights="balanced")
    repeats, twice, _ = caught.value.findings
    assert repeats == "training.repeats = 3 does not divide the 32 pictures of a batch; give --batch-size 33."
    assert twice.startswith("class_weights = balanced and training.balanced would balance the classes twice")


def test_repeats_without_a_difference_are_said(tmp_path: Path) -> None:
    sentence = "The repeated pictures of a batch do not differ, as there is no augmentation."
    for augmentation, said in (("none", True), ("PadCrop(pad=1)", False)):
        settings = SHORT | {"repeats": 2, "augmentation": augmentation, "length": "1 step", "log_every": "1 step"}
        notes = train(tmp_path / augmentation[:4], settings | {"evaluate_every": "1 step"}).record().notes
        assert (sentence in notes) is said
