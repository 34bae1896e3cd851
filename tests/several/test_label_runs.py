"""Trainings on pictures with several labels: what they learn, what they leave, exact resume, several processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cardinet
from cardinet.base.errors import CardinetError
from cardinet.data.labelling import ONE, SEVERAL
from cardinet.report import render
from cardinet.report.content import LabelOutcome
from cardinet.report.run_report import collect
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import load_model, save_model
from cardinet.runs.run_pictures import open_pictures
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.methods.distillation import label_distance
from cardinet.train.request import Request, resolve
from ranks.started import said, start
from several.pasted_digits import LABELS, pasted, table
from train.runs_to_compare import differences, train

SHORT: dict[str, Any] = {
    **LABELS,
    "threads": 1,
    "batch_size": 24,
    "length": "9 steps",
    "log_every": "2 steps",
    "evaluate_every": "4 steps",
    "checkpoint_seconds": 1e6,
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return table(tmp_path_factory.mktemp("pasted"), 120)


@pytest.fixture(scope="module")
def run(source: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A short run; only to be read."""
    return train(tmp_path_factory.mktemp("runs") / "run", SHORT | {"source": source})


def rows(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [row for row in run.rows() if row["kind"] == kind]


def test_a_run_chooses_by_mean_average_precision_and_fits_thresholds(run: RunFolder) -> None:
    model = load_model(run.model)
    assert (model.labelling, len(model.thresholds)) == (SEVERAL, 5)
    evaluations = rows(run, "evaluation")
    assert all(row["labels"] == "several" and row["error"] == 1 - row["mean_average_precision"] for row in evaluations)
    best = [row for row in evaluations if row["best"]][-1]
    assert best["error"] == min(row["error"] for row in evaluations)
    assert {k: v for k, v in model.training["validation"].items() if k in ("error", "mean_average_precision")} == {
        k: best[k] for k in ("error", "mean_average_precision")
    }
    source = open_pictures(run.record())
    again = cardinet.evaluate(model, source, split="validation")
    assert model.thresholds == again.fitted_thresholds()
    test = cardinet.evaluate(model, source, split="test")
    assert model.training["test"] == test.summary()
    assert "objective" in run.record().recipe
    assert run.record().recipe["objective"]["part"] == "BinaryCrossEntropy"


def test_the_training_error_is_the_share_of_wrong_labels(run: RunFolder) -> None:
    trained = rows(run, "train")
    assert all(0 < row["error"] < 1 for row in trained)
    counted = [row["error"] * 2 * 24 * 5 for row in trained[:4]]  # two steps of 24 pictures and 5 labels
    assert counted == pytest.approx([round(value) for value in counted], abs=1e-9)


def test_the_report_shows_average_precisions_and_curves(run: RunFolder) -> None:
    content = collect(run)
    assert isinstance(content.result, LabelOutcome)
    assert len(content.result.rows) == len(content.result.curves) == 5
    page = render(content)
    assert "Precision against recall" in page
    assert "1 - mean average precision" in page
    assert "Confusion matrix" not in page
    assert '<th scope="row">All labels</th>' in page
    for row in content.result.rows:
        assert f"<bdi>{row.name}</bdi>" in page
    results = json.loads(run.evaluation.read_text())
    assert set(results) == {"results", "step", "label_scores", "curves", "intervals", "computed_by"}
    low, high = results["intervals"]["test"]
    assert 0 <= low <= content.result.mean_average_precision <= high <= 1
    assert "by a bootstrap over pictures" in page


class Crash(Exception):
    """What a listener throws in the middle of a run."""


class Stopper(Listener):
    def stepped(self, tick: Tick) -> None:
        if tick.step == 5:
            raise Crash


@pytest.mark.long
@pytest.mark.parametrize("methods", [{}, {"methods": "Mixup(alpha=0.5)"}])
def test_a_killed_run_ends_with_the_same_bits(
    methods: dict[str, Any], source: str, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    settings = SHORT | {"source": source, "checkpoint_seconds": 0} | methods
    whole = run if not methods else train(tmp_path / "whole", SHORT | {"source": source} | methods)
    with pytest.raises(Crash):
        train(tmp_path / "run", settings, Stopper())
    resume(tmp_path / "run", Listener())
    assert differences(whole.path, tmp_path / "run") == []
    assert load_model(tmp_path / "run" / "model.safetensors").thresholds == load_model(whole.model).thresholds


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "cross-entropy": ({"objective": "CrossEntropy"}, "use --set objective=BinaryCrossEntropy"),
    "focal": ({"objective": "Focal"}, "Focal learns one label for each picture"),
    "balanced": ({"training.balanced": True}, "training.balanced draws equally many pictures of each class"),
    "members": ({"methods": "SharedEnsemble"}, "methods.SharedEnsemble is for one label"),
    "separator": ({"data.label_separator": ";"}, "cells hold '|'; name the right one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_for_several_labels_is_refused(case: str, source: str) -> None:
    settings, words = REFUSED[case]
    with pytest.raises(CardinetError) as error:
        resolve(Request(settings=tuple((SHORT | {"source": source} | settings).items())), Listener())
    assert words in str(error.value)
    assert len(REFUSED) == 5


@pytest.mark.long
def test_a_teacher_of_several_labels(run: RunFolder, source: str, tmp_path: Path) -> None:
    """Its part of the loss is the divergence of the sigmoids of each class."""
    logits, answers = torch.randn(2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    own, its = (torch.distributions.Bernoulli(logits=values / 3) for values in (logits, answers))
    expected = 9 * torch.distributions.kl_divergence(its, own).mean()
    assert float(label_distance(logits, answers, 3.0)) == pytest.approx(float(expected), rel=1e-12)
    teacher = f"Distillation(teacher={run.model},weight=0.5{{}})"
    settings = SHORT | {"source": source, "length": "2 steps"}
    taught = train(tmp_path / "taught", settings | {"methods": teacher.format("")})
    assert load_model(taught.model).labelling is SEVERAL
    save_model(tmp_path / "one.safetensors", replace(load_model(run.model), labelling=ONE, thresholds=()))
    other = teacher.replace(str(run.model), str(tmp_path / "one.safetensors"))
    for methods, words in (
        (teacher.format(",hard=true"), "Distillation.hard takes the one answer of the teacher"),
        (other.format(""), "gives one label for a picture, and the pictures have several labels"),
    ):
        with pytest.raises(CardinetError, match=words):
            resolve(Request(settings=tuple((settings | {"methods": methods}).items())), Listener())


@pytest.mark.long
def test_a_training_in_python_learns_pairs_of_digits(tmp_path: Path) -> None:
    class Pairs(torch.utils.data.Dataset[Any]):
        def __init__(self, seed: int, count: int) -> None:
            self.pixels, self.targets = pasted(count, seed)

        def __len__(self) -> int:
            return len(self.pixels)

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return self.pixels[index], self.targets[index]

    data = {"train": Pairs(0, 800), "validation": Pairs(1, 200), "test": Pairs(2, 300)}
    done = cardinet.train(data=data, epochs=6, out=tmp_path / "run", threads=1, listener=Listener())
    assert done.results["test"]["mean_average_precision"] > 0.97
    model = done.model()
    pixels, labels = pasted(100, 7)
    found = [sorted(prediction.labels) for prediction in model.predict(list(pixels))]
    right = [sorted(model.classes[k] for k in np.flatnonzero(row)) for row in labels]
    assert sum(a == b for a, b in zip(found, right, strict=True)) >= 85


@pytest.mark.long
def test_two_processes_train_and_count_as_one(source: str, tmp_path: Path) -> None:
    words = ["-m", "cardinet", "train", "--data", source, "--batch-size", "24", "--workers", "0", "--seed", "3"]
    for word in ("labels=list", "label_separator=|", "precision=float64", "threads=1", "length=6 steps"):
        words += ["--set", word]
    words += ["--set", "log_every=1 step", "--set", "evaluate_every=3 steps"]
    for count in (1, 2):
        assert [code for code, _, _ in said(start([*words, "--out", f"of{count}"], count, tmp_path))] == [0] * count
    one, two = RunFolder(tmp_path / "of1"), RunFolder(tmp_path / "of2")
    for a, b in zip(rows(one, "train"), rows(two, "train"), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-10)
        assert b["error"] == a["error"]
    for a, b in zip(rows(one, "evaluation"), rows(two, "evaluation"), strict=True):
        assert (b["wrong"], b["wrong_labels"], b["count"]) == (a["wrong"], a["wrong_labels"], a["count"])
        assert b["mean_average_precision"] == pytest.approx(a["mean_average_precision"], rel=1e-12)
    assert load_model(two.model).thresholds == pytest.approx(load_model(one.model).thresholds, rel=1e-6)
