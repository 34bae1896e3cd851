"""Folds: every training picture in exactly one, alike in classes, over any source, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.base.settings import validate
from cardinet.cli.main import outcome
from cardinet.data.data_settings import DataSettings
from cardinet.data.labelling import ONE
from cardinet.data.source import Source, open_source
from cardinet.evaluate.pictures import open_pictures
from cardinet.runs.data_sheet import read_data_sheet
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import load_model
from data.pictures import MakePicture


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_folds_are_alike_in_classes_and_in_size(folds: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(7), [23, 50, 2, 11, 99, 17, 3]))
    numbers = ONE.folds(labels, folds, seed=3)
    sizes = np.bincount(numbers, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for number in range(7):
        counts = np.bincount(numbers[labels == number], minlength=folds)
        assert counts.max() - counts.min() <= 1
    assert not np.array_equal(numbers, ONE.folds(labels, folds, seed=4))
    assert np.array_equal(numbers, ONE.folds(labels, folds, seed=3))


def contents(source: Source, split: str) -> Counter[tuple[str, str, bytes]]:
    """What a split holds: the place, the class and the pixels of each picture."""
    pictures = source.splits[split]
    return Counter(
        (
            pictures.names.key(i),
            source.classes[pictures.labels[i]],
            np.asarray(pictures.picture(i)).tobytes(),
        )
        for i in range(len(pictures))
    )


@pytest.fixture
def plain(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Class folders of two classes, 20 and 13 small pictures."""
    for name, count in (("ant", 20), ("bee", 13)):
        for i in range(count):
            make_picture(tmp_path / "plain" / name / f"{i}.png", size=(12, 10), seed=i)
    return tmp_path / "plain"


@pytest.mark.parametrize("kind", ["digits", "photographs", "plain", "csv"])
def test_every_picture_is_in_exactly_one_fold(kind: str, photographs: Path, plain: Path) -> None:
    text = {"digits": "digits", "photographs": str(photographs), "plain": str(plain), "csv": f"csv:{plain}/a.csv"}[kind]
    lines = [f"{file.relative_to(plain)},{file.parent.name}" for file in sorted(plain.glob("*/*.png"))]
    (plain / "a.csv").write_text("\n".join(["file,label", *lines]))
    whole = open_source(text, DataSettings())
    opened = [open_source(text, DataSettings(folds=4, fold=fold)) for fold in range(4)]
    pool = contents(whole, "train") + contents(whole, "validation")
    if kind in ("plain", "csv"):
        assert contents(opened[0], "test") == contents(whole, "test")
    folds = [contents(source, "validation") for source in opened]
    assert sum(folds, Counter()) == pool
    for source, fold in zip(opened, folds, strict=True):
        assert contents(source, "train") == pool - fold
        assert source.fingerprint == whole.fingerprint
        assert ("test" in source.splits) == ("test" in whole.splits)
    assert max(len(source.splits["validation"]) for source in opened) - len(pool) // 4 <= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"folds": 5}, "folds needs fold"),
        ({"fold": 0}, "fold needs folds"),
        ({"folds": 1, "fold": 0}, "folds = 1"),
        ({"folds": 5, "fold": 5}, "fold = 5: the 5 folds are 0 to 4"),
        ({"folds": 5, "fold": 0, "validation": 0.2}, "validation = 0.2 and folds = 5 both choose the validation split"),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as error:
        validate(DataSettings, settings, "data.")
    assert words in str(error.value)


def test_folds_of_too_few_pictures_are_refused(tmp_path: Path, make_picture: MakePicture) -> None:
    for name, count in (("ant", 6), ("bee", 1), ("cat", 1)):
        for i in range(count):
            make_picture(tmp_path / name / f"{i}.png", size=(12, 10), seed=i)
    with pytest.raises(WorkError, match=r"bee has only one training picture, .* \(2 such classes\)"):
        open_source(str(tmp_path), DataSettings(folds=3, fold=0, test=0.0))
    with pytest.raises(WorkError, match=r"data.folds = 20: there are only 8 training pictures"):
        open_source(str(tmp_path), DataSettings(folds=20, fold=0, test=0.0))


def test_a_run_records_its_fold_and_the_model_file_is_measured_on_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", "--epochs", "1", "--set", "folds=7", "--set", "fold=2", "--set", "threads=1", "--out", str(run)]
    assert outcome(words) == 0
    data = RunFolder(run).record().recipe["data"]
    assert (data["folds"], data["fold"]) == (7, 2)
    sheet = read_data_sheet(RunFolder(run).data)
    assert sheet is not None
    assert (sheet.folds, sheet.fold) == (7, 2)
    own = open_source("digits", DataSettings(folds=7, fold=2))
    model = load_model(run / "model.safetensors")
    found = open_pictures("digits", {}, model=model, split="validation")
    assert found is not None
    assert list(found.pictures.names) == list(own.splits["validation"].names)
    assert "the 205 pictures of its fold 2 of 7 are measured" in found.notes[0]
    assert len(found.pictures) == sum(sheet.counts["validation"]) == 205
    other = open_pictures("digits", {"folds": 7, "fold": 3}, model=model, split="validation")
    assert other is not None
    assert not {*other.pictures.names} & {*found.pictures.names}
    reported = cardinet.evaluate(run, "digits", split="validation").count
    assert reported == 205
    with pytest.raises(CardinetError, match="are read as in that run"):
        open_pictures(None, {"fold": 3}, run=RunFolder(run))
