"""Exact evaluation: the same counts as a loop over single pictures, and every picture once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cardinet.base.errors import WorkError
from cardinet.data import batches
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split, open_source
from cardinet.evaluate import views
from cardinet.evaluate.classification import Evaluation, evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings

DIGITS = Preprocessing(channels=1, crop=8, mean=(0.3,), std=(0.4,))
PHOTOGRAPHS = Preprocessing(channels=3, resize=14, crop=12, mean=(0.5, 0.5, 0.5), std=(0.3, 0.3, 0.3))


class Guess(nn.Module):
    """Random logits, with a norm that must be in eval mode and half of the pixels that it must not drop."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.norm = nn.BatchNorm1d(inputs)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(self.drop(self.norm(x.flatten(1))))
        return 3 * out


@pytest.fixture(scope="module")
def digits() -> Split:
    return open_source("digits", DataSettings(limit=53)).splits["validation"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """23 pictures of 7 classes in several sizes, decoded from files."""
    root = tmp_path_factory.mktemp("pictures")
    for name, count in (("train", 1), ("test", 23)):
        for i in range(max(count, 7)):
            path = root / name / f"class {i % 7}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(i).integers(0, 256, (14 + i, 20 + i % 3, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    split = open_source(str(root), DataSettings()).splits["test"]
    assert split.images is None
    return split


def by_hand(network: nn.Module, split: Split, preprocessing: Preprocessing, classes: int) -> dict[str, Any]:
    """The same figures, one picture after the other."""
    network.eval()
    confusion = np.zeros((classes, classes), dtype=np.int64)
    losses, top5_wrong = [], 0
    for i in range(len(split)):
        pixels = preprocessing.picture(split.picture(i))[None]
        with torch.inference_mode():
            logits = network(preprocessing.normalise(pixels))[0].double()
        truth = int(split.labels[i])
        probabilities = torch.exp(logits) / torch.exp(logits).sum()
        losses.append(-torch.log(probabilities[truth]).item())
        confusion[truth, int(logits.argmax())] += 1
        top5_wrong += truth not in sorted(range(classes), key=lambda c: -logits[c].item())[:5]
    return {"confusion": confusion, "loss": sum(losses) / len(losses), "top5_wrong": top5_wrong}


@pytest.mark.parametrize("batch_size", [1, 7, 52, 53, 54, 1000])
def test_counts_are_those_of_a_loop(batch_size: int, digits: Split) -> None:
    network = Guess(64, 10)
    expected = by_hand(network, digits, DIGITS, 10)
    found = evaluate(network, digits, DIGITS, 10, EvaluationSettings(batch_size=batch_size))
    assert np.array_equal(found.confusion, expected["confusion"])
    assert (found.count, found.total, len(digits)) == (53, 180, 53)
    assert found.wrong == 53 - int(np.trace(expected["confusion"]))
    assert found.error == found.wrong / 53
    assert found.top5_wrong == expected["top5_wrong"] > 0
    assert found.loss == pytest.approx(expected["loss"], rel=1e-6)


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_counted_alike_with_and_without_workers(workers: int, folder: Split) -> None:
    network = Guess(3 * 12 * 12, 7)
    expected = by_hand(network, folder, PHOTOGRAPHS, 7)
    found = evaluate(network, folder, PHOTOGRAPHS, 7, EvaluationSettings(batch_size=4, workers=workers))
    assert np.array_equal(found.confusion, expected["confusion"])
    assert (found.count, found.top5_wrong) == (len(folder), expected["top5_wrong"])
    assert found.loss == pytest.approx(expected["loss"], rel=1e-6)


def test_what_is_kept_of_each_picture(digits: Split) -> None:
    found = evaluate(Guess(64, 10), digits, DIGITS, 10, EvaluationSettings(batch_size=10))
    assert np.array_equal(found.truth, digits.labels)
    right = found.predicted == found.truth
    assert np.array_equal(found.confidence[right], found.confidence_of_truth[right])
    assert (found.confidence[~right] > found.confidence_of_truth[~right]).all()
    assert found.loss == pytest.approx(-np.log(found.confidence_of_truth).mean(), rel=1e-6)


def test_the_summary(digits: Split) -> None:
    found = evaluate(Guess(64, 10), digits, DIGITS, 10)
    assert found.summary() == {
        "split": "validation",
        "count": 53,
        "total": 180,
        "wrong": found.wrong,
        "error": found.wrong / 53,
        "loss": found.loss,
        "top5_wrong": found.top5_wrong,
        "top5_error": found.top5_wrong / 53 if found.top5_wrong is not None else None,
    }


def test_five_classes_have_no_top_5(digits: Split) -> None:
    few = digits.without({digits.names[int(i)] for i in np.flatnonzero(digits.labels >= 5)})
    found = evaluate(Guess(64, 5), few, DIGITS, 5)
    assert found.top5_wrong is None
    assert "top5_wrong" not in found.summary()


def test_the_network_is_as_it_was(digits: Split) -> None:
    network = Guess(64, 10)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    done: list[tuple[int, int]] = []
    for training in (True, False):
        network.train(training)
        done.clear()
        evaluate(
            network, digits, DIGITS, 10, EvaluationSettings(batch_size=20), progress=lambda *state: done.append(state)
        )
        assert done == [(20, 53), (40, 53), (53, 53)]
        assert network.training is training
        assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())


@pytest.mark.parametrize("fault", ["twice", "never"])
def test_a_picture_that_is_not_counted_once_is_an_error(
    fault: str, digits: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*words: Any, **more: Any) -> Iterator[batches.Batch]:
        stream = list(batches.evaluation_batches(*words, **more))
        return iter(stream + stream[-1:] if fault == "twice" else stream[:-1])

    monkeypatch.setattr(views, "evaluation_batches", faulty)
    with pytest.raises(WorkError, match="3 pictures of validation were not counted exactly once"):
        evaluate(Guess(64, 10), digits, DIGITS, 10, EvaluationSettings(batch_size=10))


def test_a_damaged_picture_is_named(folder: Split, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for i, side in enumerate((16, 18, 20)):
            Image.new("RGB", (side, side)).save(root / name / f"{i}.png")
    source = open_source(str(root), DataSettings(test=0.5))
    bad = Path(source.splits["test"].names[0])
    bad.write_bytes(bad.read_bytes()[:40])
    with pytest.raises(WorkError, match=bad.name):
        evaluate(Guess(3 * 12 * 12, 2), source.splits["test"], PHOTOGRAPHS, 2)


def test_one_confusion_by_hand() -> None:
    found = Evaluation(
        split="test",
        total=5,
        loss=1.0,
        confusion=np.array([[2, 1], [0, 1]]),
        top5_wrong=None,
        truth=np.array([0, 0, 0, 1]),
        top=np.array([[0, 1], [0, 1], [1, 0], [1, 0]]),
        top_probabilities=np.array([[1.0, 0.0]] * 4),
        confidence_of_truth=np.ones(4),
    )
    assert (found.count, found.wrong, found.error) == (4, 1, 0.25)
    assert found.predicted.tolist() == [0, 0, 1, 1]
    assert found.to_document(["a", "b"]) == {
        **found.summary(),
        "classes": [
            {"class": "a", "pictures": 3, "missed": 1, "precision": 1.0, "recall": 2 / 3, "f1": 0.8},
            {"class": "b", "pictures": 1, "missed": 0, "precision": 0.5, "recall": 1.0, "f1": 2 / 3},
        ],
        "mean": {"precision": 0.75, "recall": (2 / 3 + 1) / 2, "f1": (0.8 + 2 / 3) / 2},
        "confusions": [{"truth": "a", "predicted": "b", "count": 1, "share": 1 / 3}],
        "confusion": [[2, 1], [0, 1]],
    }
