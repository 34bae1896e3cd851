"""The question `mistakes`: folds by hand, labels that were swapped on purpose, copies across splits, the decisions."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cardinet.base.errors import RequestError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, Split, open_source
from cardinet.evaluate.outputs import outputs
from cardinet.explain.extras import library
from cardinet.explain.job import explain_model
from cardinet.explain.label_errors import probable_label_errors
from cardinet.explain.out_of_sample import fold_probabilities, folds_of
from cardinet.explain.questions.calibration import CalibrationQuestion
from cardinet.explain.questions.mistakes import Mistakes
from cardinet.explain.request import Request, resolve
from cardinet.report.explain_page import figure_html
from cardinet.runs.model_file import Model
from explain.models import classifier, unchanged


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(validation=0.2))


@pytest.fixture(scope="module")
def model() -> Model:
    return classifier()


def pixels(split: Split) -> npt.NDArray[np.float32]:
    assert split.images is not None
    found: npt.NDArray[np.float32] = split.images.flatten(1).float().numpy()
    return found


def test_folds_are_equal_and_have_every_class() -> None:
    labels = np.repeat(np.arange(7), [13, 1, 30, 8, 8, 9, 40])
    found = folds_of(labels, 4, seed=3)
    counts = np.array([np.bincount(labels[found == fold], minlength=7) for fold in range(4)])
    assert np.ptp(counts.sum(1)) <= 1
    assert all(np.ptp(column) <= 1 for column in counts.T)
    assert not np.array_equal(found, folds_of(labels, 4, seed=4))


def test_each_picture_gets_the_answer_of_a_fit_on_the_other_folds(digits: Source) -> None:
    split = digits.splits["validation"]
    features, labels = pixels(split), split.single_labels
    found = fold_probabilities(features, labels, 10, folds=3, seed=1)
    place = folds_of(labels, 3, 1)
    for fold in range(3):
        rest = place != fold
        scaler = StandardScaler().fit(features[rest])
        fitted = LogisticRegression(max_iter=200).fit(scaler.transform(features[rest]), labels[rest])
        expected = fitted.predict_proba(scaler.transform(features[~rest]))
        assert found[~rest] == pytest.approx(expected, abs=1e-9)
    assert found.sum(1) == pytest.approx(np.ones(len(labels)))


def test_a_class_that_was_not_seen_has_the_probability_zero() -> None:
    features = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    labels = np.array([0, 0, 0, 0, 2, 2, 2, 2, 3])
    found = fold_probabilities(features, labels, 5, folds=2)
    assert np.all(found[:, [1, 4]] == 0)
    assert found[8, 3] == 0
    with pytest.raises(RequestError, match="only one class to learn from"):
        fold_probabilities(features[:4], labels[:4], 5, folds=2)
    with pytest.raises(RequestError, match="9 pictures cannot be divided into 10 folds"):
        fold_probabilities(features, labels, 5, folds=10)


def test_swapped_labels_are_found(digits: Source) -> None:
    split = digits.splits["train"]
    generator = np.random.default_rng(0)
    swapped = generator.choice(len(split), 30, replace=False)
    labels = split.single_labels.copy()
    labels[swapped] = (labels[swapped] + generator.integers(1, 10, 30)) % 10
    probabilities = fold_probabilities(pixels(split), labels, 10)
    found = probable_label_errors(labels, probabilities)
    rows = [one.row for one in found]
    assert len(set(rows) & set(swapped.tolist())) >= 25
    assert len(set(rows) - set(swapped.tolist())) <= 20
    assert [one.score for one in found] == sorted(one.score for one in found)
    right = [one for one in found if one.row in swapped]
    assert sum(one.suggested == split.single_labels[one.row] for one in right) >= 0.9 * len(right)
    for one in found:
        assert one.given == labels[one.row] != one.suggested
        assert one.score == probabilities[one.row, one.given]


def test_the_answer_names_every_mistake(model: Model, digits: Source) -> None:
    with unchanged(model.network):
        found = explain_model("mistakes", model, digits, shown=3)
    document = json.loads(json.dumps(found.document))
    test = outputs(model, digits.splits["test"])
    wrong = np.flatnonzero(test.predicted != test.truth)
    assert document["wrong"] == len(wrong) == len(document["mistakes"])
    names = {digits.splits["test"].names.key(i) for i in wrong.tolist()}
    assert {row["path"] for row in document["mistakes"]} == names
    chances = [row["probability"] for row in document["mistakes"]]
    assert chances == sorted(chances, reverse=True)
    assert document["label_errors_from"] == "model"
    assert sum(pair["count"] for pair in document["confused"]) <= len(wrong)
    assert [section.title for section in found.sections] == [
        *("Confident mistakes", "Confused classes", "Probable label errors", "Near-duplicates")
    ]
    for section in found.sections:
        for figure in section.figures:
            assert len(figure_html(figure)) > 100


def test_one_mistake_is_said_as_one(model: Model, digits: Source) -> None:
    test = digits.splits["test"]
    found = outputs(model, test)
    wrong, right = (np.flatnonzero(found.predicted != found.truth)[:1], np.flatnonzero(found.predicted == found.truth))
    few = replace(digits, splits={"all": replace(test.chosen(np.sort([*wrong, *right[:3]])), name="all")})
    answer = explain_model("mistakes", model, few, label_errors=False, duplicates=False)
    assert re.match(r"1 of 4 pictures is taken for a wrong class; for [01] of them .* \(once\)\.", answer.lead[0])
    assert answer.sections[0].text == ["1 answer is wrong."]


@pytest.mark.parametrize(
    ("split", "own", "source"),
    [("train", True, "folds"), ("test", True, "model"), ("all", True, "folds"), ("all", False, "model")],
)
def test_training_pictures_get_probabilities_by_folds(
    model: Model, digits: Source, split: str, own: bool, source: str
) -> None:
    some = replace(digits, splits={split: digits.splits["validation"]})
    trained = {"pictures": {"fingerprint": digits.fingerprint if own else "other"}}
    found = explain_model("mistakes", replace(model, training=trained), some, split=split, duplicates=False, folds=2)
    assert found.document["label_errors_from"] == source
    forced = explain_model(
        "mistakes", model, some, split=split, duplicates=False, folds=2, probabilities="folds", shown=0
    )
    assert forced.document["label_errors_from"] == "folds"


def test_decisions_are_written_and_the_data_stay(model: Model, digits: Source, tmp_path: Path) -> None:
    test = digits.splits["test"]
    both = replace(digits, splits={"train": replace(test.chosen(np.arange(5)), name="train"), "test": test})
    path = tmp_path / "decisions.csv"
    before = test.single_labels.copy()
    found = explain_model("mistakes", model, both, split="test", decisions=path, alike=1.0, shown=4)
    assert np.array_equal(test.single_labels, before)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    twins = [row for row in rows if row["finding"] == "duplicate"]
    assert {row["path"] for row in twins} >= {test.names.key(i) for i in range(5)}
    assert all(row["other"].startswith("train: ") and row["given"] == row["suggested"] for row in twins)
    assert [row["path"] for row in rows if row["finding"] == "label"] == [
        row["path"] for row in found.document["label_errors"]
    ]
    assert all(row["decision"] == "" and row["split"] == "test" for row in rows)
    assert len(rows) == len(found.document["label_errors"]) + len(found.document["duplicates"])
    assert "to decide about" in found.lead[-1]


def test_only_the_splits_that_are_needed_are_opened() -> None:
    assert Mistakes().also == ("train", "validation", "test")
    assert Mistakes(duplicates=False).also == ()
    assert CalibrationQuestion().also == ("validation",)
    assert CalibrationQuestion(fit="half").also == CalibrationQuestion(fit="none").also == ()
    asked = resolve(Request(question="mistakes", model=classifier(), data="digits", words=["duplicates=false"]))
    assert list(asked.subject.opened.measured.source.splits) == ["train", "test"]  # small pictures are decoded anyway


def test_a_broken_library_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cleanlab_broken.py").write_text("import nothing_like_this")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RequestError, match=r"installed but cannot be imported .*nothing_like_this.*force-reinstall"):
        library("cleanlab_broken")


def test_what_is_refused(model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(RequestError, match="exists; name a file that does not"):
        explain_model("mistakes", model, digits, decisions=tmp_path / "there.csv")
    with pytest.raises(RequestError, match=r"end its name with \.csv"):
        explain_model("mistakes", model, digits, decisions=tmp_path / "a.txt")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError) as error:
        explain_model("mistakes", model, digits, decisions=tmp_path / "there.csv")
    assert error.value.findings[0] == (
        'label_errors needs cleanlab, which is not installed: pip install "cardinet[explain]". Or leave label errors '
        "out: --set label_errors=false."
    )
    assert len(error.value.findings) == 2
    found = explain_model("mistakes", model, digits, label_errors=False, duplicates=False, shown=0)
    assert found.document["label_errors"] is None
    assert (tmp_path / "there.csv").read_text() == "mine"


@pytest.mark.parametrize("probabilities", ["model", "folds"])
def test_pictures_of_one_class_have_no_label_errors_to_look_for(
    probabilities: str, model: Model, digits: Source
) -> None:
    test = digits.splits["test"]
    threes = replace(digits, splits={"test": test.chosen(np.flatnonzero(test.single_labels == 3))})
    answer = explain_model("mistakes", model, threes, probabilities=probabilities, duplicates=False)
    assert answer.limits[0] == "All pictures have one class, so label errors were not looked for."
    assert answer.document["label_errors"] is None
    assert [section.title for section in answer.sections] == ["Confident mistakes", "Confused classes"]
