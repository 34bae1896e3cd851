"""What every verb does with a model that gives several labels: the answer, or a sentence why there is none."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.cli.main import outcome
from cardinet.data.labelling import ONE, SEVERAL
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.job import evaluate_model
from cardinet.evaluate.label_sets import LabelEvaluation
from cardinet.explain.questions import QUESTIONS
from cardinet.explain.request import Request as Question
from cardinet.explain.request import resolve
from cardinet.export.answers import Answers, LabelAnswers
from cardinet.export.metadata import describe
from cardinet.export.proof_pictures import Pictures, feed
from cardinet.export.runner import open_exported
from cardinet.runs.answer_table import joined
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.runtimes.formats import FORMATS
from explain.models import TINY, classifier
from several.models import CLASSES, THRESHOLDS, labeller, pictures


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return pictures(tmp_path_factory.mktemp("pasted"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with several labels."""
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_model(path, labeller())
    return path


def said(call: Any) -> str:
    with pytest.raises(CardinetError) as error:
        call()
    return str(error.value)


def asked(source: Source) -> list[str]:
    return ["--data", source.text, "--set", "labels=list", "--set", "label_separator=|"]


def test_a_model_file_keeps_labels_and_thresholds(file: Path, tmp_path: Path) -> None:
    found = load_model(file)
    assert (found.labelling, found.thresholds) == (SEVERAL, THRESHOLDS)
    assert re.search(rb'\\"schema\\": ?2', file.read_bytes()[:200_000])
    save_model(tmp_path / "one.safetensors", classifier())
    one = load_model(tmp_path / "one.safetensors")
    assert (one.labelling, one.thresholds) == (ONE, ())
    head = (tmp_path / "one.safetensors").read_bytes()[:200_000]
    assert re.search(rb'\\"schema\\": ?1', head)  # which earlier versions read
    assert b"thresholds" not in head
    save_model(tmp_path / "wrong.safetensors", replace(labeller(), thresholds=(0.5,)))
    with pytest.raises(WorkError, match="labels is several, and there are 1 thresholds"):
        load_model(tmp_path / "wrong.safetensors")


def test_an_evaluation_is_that_of_the_logits(source: Source) -> None:
    model, split = labeller(), source.splits["train"]
    with torch.inference_mode():
        shown = model.preprocessing.normalise(
            torch.stack([model.preprocessing.picture(split.picture(i)) for i in range(len(split))])
        )
        chances = torch.sigmoid(model.network(shown).double()).numpy()
    result = evaluate_model(model, source, split="train", batch_size=7)
    assert isinstance(result, LabelEvaluation)
    assert result.probabilities == pytest.approx(chances, abs=1e-6)
    assert np.array_equal(result.truth, split.labels)
    assert result.thresholds == THRESHOLDS
    assert np.array_equal(result.decided, result.probabilities >= np.array(THRESHOLDS))


@pytest.mark.parametrize("crops", [10, "dense"])
def test_other_views_average_the_probabilities_of_labels(source: Source, crops: Any) -> None:
    whole = Preprocessing.model_validate({"channels": 1, "crop": 8, "resize": 10, "mean": (0.5,), "std": (0.25,)})
    result = evaluate_model(replace(labeller(), preprocessing=whole), source, split="test", crops=crops)
    assert result.count == len(source.splits["test"])
    assert ((result.probabilities > 0) & (result.probabilities < 1)).all()
    assert not np.allclose(result.probabilities.sum(1), 1.0)


def test_a_split_without_any_label_is_refused(source: Source) -> None:
    empty = replace(source.splits["test"], labels=np.zeros_like(source.splits["test"].labels))
    with pytest.raises(WorkError, match="No picture of test has a label"):
        evaluate(labeller().network, empty, labeller().preprocessing, 5)


def test_labels_and_models_of_another_kind_are_refused(source: Source) -> None:
    one = replace(classifier(TINY.but(num_classes=5), side=10), classes=CLASSES)
    assert "The model gives one label, and" in said(lambda: evaluate_model(one, source))
    plain = replace(
        source, splits={"test": replace(source.splits["test"], labels=np.zeros(len(source.splits["test"]), np.int64))}
    )
    assert "--set data.labels=list" in said(lambda: evaluate_model(labeller(), plain))
    assert "not averaged over passes" in said(lambda: evaluate_model(labeller(), source, passes=2))
    with pytest.raises(RequestError, match="may have several labels, and this needs one for each"):
        _ = source.splits["test"].single_labels


def test_a_prediction_has_the_labels_above_their_thresholds(source: Source, file: Path, tmp_path: Path) -> None:
    model, split = load_model(file), source.splits["test"]
    result = evaluate_model(model, source, split="test")
    paths = [split.names[i] for i in range(len(split))]
    for i, found in enumerate(model.predict(paths, top=2)):
        ranked = sorted(range(5), key=lambda k: -result.probabilities[i, k])
        assert found.classes == tuple(CLASSES[k] for k in ranked[:2])
        assert found.labels == tuple(CLASSES[k] for k in ranked if result.probabilities[i, k] >= THRESHOLDS[k])
        assert found.to_document()["labels"] == list(found.labels)
    out = tmp_path / "p.csv"
    assert outcome(["predict", str(file), *paths, "--top", "2", "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == ["path", "labels", "class_1", "probability_1", "class_2", "probability_2", "problem"]
    assert [row["labels"] for row in rows] == [
        "|".join(CLASSES[k] for k in np.argsort(-result.logs[i], kind="stable") if result.decided[i, k])
        for i in range(len(split))
    ]
    assert joined(["a|b", "c\\d"]) == "a\\|b|c\\\\d"


def test_a_fixed_threshold_is_in_place_of_those_of_the_file(
    source: Source, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(["eval", str(file), *asked(source), "--split", "test", "--threshold", "0.25", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {row["threshold"] for row in document["classes"]} == {0.25}
    result = evaluate_model(load_model(file), source, split="test").at((0.25,) * 5)
    assert document["wrong_labels"] == result.wrong_labels
    path = source.splits["test"].names[0]
    assert outcome(["predict", str(file), path, "--threshold", "0", "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["labels"]) == sorted(CLASSES)
    save_model(tmp_path / "one.safetensors", classifier())
    assert outcome(["predict", str(tmp_path / "one.safetensors"), path, "--threshold", "0.5"]) == 2
    assert "gives one label for each picture" in capsys.readouterr().err


def test_a_prediction_in_a_notebook_marks_its_labels(source: Source) -> None:
    (found,) = replace(labeller(), thresholds=(0.0, 1.0, 1.0, 1.0, 0.0)).predict([source.splits["test"].names[0]])
    assert set(found.labels or ()) == {"digit 0", "digit 4"}
    assert found._repr_html_().count("font-weight:600") == 2


def test_a_table_of_an_evaluation(
    source: Source, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.csv"
    assert (
        outcome(["eval", str(file), *asked(source), "--split", "test", "--top", "1", "--out", str(out), "--json"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["labels"] == "several"
    assert [row["threshold"] for row in document["classes"]] == list(THRESHOLDS)
    assert document["interval"][0] <= document["mean_average_precision"] <= document["interval"][1]
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == ["path", "truth", "labels", "class_1", "probability_1"]
    split = source.splits["test"]
    assert [row["truth"] for row in rows] == [
        "|".join(CLASSES[k] for k in np.flatnonzero(split.labels[i])) for i in range(len(split))
    ]
    assert sum(row["truth"] != "|".join(sorted(row["labels"].split("|"))) for row in rows) == document["wrong"]
    assert outcome(["eval", str(file), *asked(source)]) == 0
    text = capsys.readouterr().out
    assert "mean average precision" in text
    assert "threshold" in text
    assert "% (bootstrap over the pictures, 1,000 draws, seed 0)" in text


def test_info_shows_labels_and_thresholds(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["info", str(file)]) == 0
    assert (
        "labels       several for each picture; a label is given from its threshold on: digit 0 0.3"
        in capsys.readouterr().out
    )
    assert outcome(["info", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["thresholds"] == dict(zip(CLASSES, THRESHOLDS, strict=True))


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_says_that_it_is_about_one_label(name: str, source: Source) -> None:
    kind = QUESTIONS[name].load()
    data = None if kind.PICTURES == "none" else source
    assert "one" in kind.LABELLINGS
    assert "several" not in kind.LABELLINGS
    text = said(lambda: resolve(Question(question=name, model=labeller(), data=data)))
    assert f"{name}: it asks about one label for each picture, and the model gives several." in text
    assert len(QUESTIONS) == 11


@pytest.mark.long
def test_rewrites_keep_the_labels_or_are_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(["rewrite", str(file), "--fold", "--out", str(tmp_path / "f.safetensors")]) == 0
    folded = load_model(tmp_path / "f.safetensors")
    assert (folded.labelling, folded.thresholds) == (SEVERAL, THRESHOLDS)
    words = ["rewrite", str(file), "--classes", "digit 1,cat", "--out", str(tmp_path / "c.safetensors")]
    assert outcome(words) == 0
    assert "The thresholds of the labels are 0.5 again" in capsys.readouterr().err
    other = load_model(tmp_path / "c.safetensors")
    assert (other.labelling, other.classes, other.thresholds) == (SEVERAL, ("digit 1", "cat"), (0.5, 0.5))
    assert outcome(["rewrite", str(file), "--temperature", "2", "--out", str(tmp_path / "t.safetensors")]) == 2
    assert "this model gives several, each with a threshold" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("format", FORMATS)
def test_an_exported_file_says_its_labels_and_is_proven_by_them(source: Source, tmp_path: Path, format: str) -> None:
    """The labels that its metadata makes of its logits, as a reader without Cardinet would, are those of `predict`."""
    assert len(FORMATS) == 3
    ranked = np.sort(evaluate_model(labeller(), source, split="test").probabilities, 0)
    middle = tuple((ranked[len(ranked) // 2 - 1 : len(ranked) // 2 + 1].mean(0)).tolist())  # between two pictures
    path, model = tmp_path / f"m{FORMATS[format].suffix}", replace(labeller(), thresholds=middle)
    parity = cardinet.export(model, path, data=source, threads=1).parity["float32"]
    result = evaluate_model(model, source, split="test")
    assert (parity.differing, parity.wrong_before, parity.wrong_after) == (0, result.wrong, result.wrong)
    runner, split = open_exported(path), source.splits["test"]
    assert runner.about.labels == "several"
    assert runner.about.thresholds == pytest.approx(middle)
    read = Pictures(split, runner.about.preprocessing, len(split), len(split))
    pixels = np.concatenate([feed(some, runner.about.preprocessing, runner.about.dtype) for some in read.batches(7)])
    chances = 1 / (1 + np.exp(-runner.logits(pixels).astype(np.float64)))
    given = [set(np.array(runner.about.classes)[row >= np.array(runner.about.thresholds)]) for row in chances]
    answers = [model.predict(split.picture(i)) for i in range(len(split))]
    assert given == [set(answer.labels or ()) for answer in answers]
    assert len({frozenset(labels) for labels in given}) > 1
    for row, answer in zip(chances, answers, strict=True):
        known = dict(zip(answer.classes, answer.probabilities, strict=True))
        assert [known[name] for name in CLASSES] == pytest.approx(row.tolist(), abs=1e-5)


def test_what_is_said_of_the_labels_of_an_exported_file(file: Path, source: Source, tmp_path: Path) -> None:
    about = {name: json.loads(value) for name, value in describe(labeller(), False).items()}
    assert (about["labels"], about["thresholds"]) == ("several", list(THRESHOLDS))
    assert "int8 is proven by the error of one label" in said(
        lambda: cardinet.export(file, tmp_path / "q.onnx", data=source, int8=True)
    )


def test_answers_in_a_proof() -> None:
    logits = np.array([[2.0, -1.0], [0.1, 0.3]])
    labels = LabelAnswers(("a", "b"), (0.5, 0.6))
    assert labels.of(logits).tolist() == [[1, 0], [1, 0]]
    assert labels.margin(logits) == pytest.approx([1 + np.log(1.5), 0.1])
    assert [labels.named(row) for row in np.array([[1, 1], [0, 0]])] == ["a, b", "no label"]
    assert LabelAnswers(("a", "b"), (0.0, 1.0)).of(logits).tolist() == [[1, 0], [1, 0]]
    assert Answers(("a", "b")).of(logits).tolist() == [[0], [1]]


def test_a_card_names_the_mean_average_precision(tmp_path: Path) -> None:
    figures: dict[str, Any] = {"split": "test", "count": 20, "total": 20, "wrong": 4, "error": 0.1, "loss": 0.2}
    figures |= {"labels": "several", "mean_average_precision": 0.9}
    model: Model = replace(labeller(), training={"network": "resnet20_cifar", "data": "csv:t.csv", "test": figures})
    save_model(tmp_path / "m.safetensors", model)
    assert outcome(["push", str(tmp_path / "m.safetensors"), "a/b", "--dry-run", str(tmp_path / "card")]) == 0
    card = (tmp_path / "card" / "README.md").read_text().replace("\u00a0", " ")
    assert "gives a picture several labels of 5 classes, or none" in card
    assert "Its test mean average precision is 90.00 % on 20 pictures, each counted once." in card
    assert "type: average_precision" in card
    assert "`digit 0` 0.300, `digit 1` 0.400" in card
    config = json.loads((tmp_path / "card" / "config.json").read_text())
    assert (config["labels"], config["thresholds"], config["schema"]) == ("several", list(THRESHOLDS), 2)


@pytest.mark.long
def test_pruning_keeps_several_labels(
    file: Path, source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "rewrite",
        str(file),
        "--prune",
        "--keep-macs",
        "0.9",
        "--epochs",
        "2",
        "--set",
        "threads=1",
        "--set",
        "batch_size=8",
    ]
    assert outcome([*words, *asked(source), "--out", "p.safetensors"]) == 0, capsys.readouterr().err
    assert "mAP" in capsys.readouterr().out
    pruned = load_model(tmp_path / "p.safetensors")
    assert (pruned.labelling, pruned.classes, len(pruned.thresholds)) == (SEVERAL, CLASSES, 5)
    one = source.text.replace("labels.csv", "one.csv")
    rows = [f"{i:04}.png,digit {i % 5}" for i in range(40)]
    Path(one.removeprefix("csv:")).write_text("\n".join(["file,label", *rows, ""]))
    assert outcome([*words, "--data", one, "--out", "q.safetensors"]) == 2
    assert "The model gives several labels" in capsys.readouterr().err
