"""Pictures without classes: which texts are such pictures, and the source that they make."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cardinet.base.errors import RequestError
from cardinet.data.data_settings import DataSettings
from cardinet.data.labelling.one import NO_CLASS
from cardinet.data.loose_pictures import are_loose, loose_source
from cardinet.data.source import open_source
from data.pictures import MakePicture


@pytest.fixture
def place(tmp_path: Path, make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: flowers/ with two classes and a stray picture, and photos/ without classes."""
    for name in ("flowers/rose/a.png", "flowers/tulip/b.png", "flowers/stray.png", "photos/2.png", "photos/10.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        make_picture(tmp_path / name, size=(20, 16), seed=len(name))
    make_picture(tmp_path / "my rose.png", size=(9, 12))
    (tmp_path / "test" / "images").mkdir(parents=True)
    make_picture(tmp_path / "test" / "images" / "x.png", size=(8, 8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


TEXTS: dict[tuple[str, ...], bool] = {
    ("digits",): False,
    ("imagenet:flowers",): False,
    ("flowers",): False,
    ("nothere",): False,
    ("photos",): True,
    ("test",): True,
    ("my rose.png",): True,
    ("nothere.jpg",): True,
    ("flowers/*/*.png",): True,
    ("flowers", "photos"): True,
    ("my rose.png", "nothere"): True,
    (): False,
}


@pytest.mark.parametrize("texts", TEXTS)
def test_which_texts_are_pictures_without_classes(texts: tuple[str, ...], place: Path) -> None:
    assert are_loose(texts) is TEXTS[texts]


def test_how_many_texts() -> None:
    assert len(TEXTS) == 12


def test_a_source_has_each_picture_once_as_it_was_named(place: Path) -> None:
    source = loose_source(["my rose.png", "photos", "photos/2.png", "flowers/*/a.png"], 10**6)
    (split,) = source.splits.values()
    assert list(split.names) == ["my rose.png", "photos/10.png", "photos/2.png", "flowers/rose/a.png"]
    assert split.names.place(0) == (os.path.join(place, "my rose.png"), 0)
    assert split.labels.tolist() == [NO_CLASS] * 4
    assert not split.labelled
    assert source.classes == ()
    assert source.text == "'my rose.png' photos photos/2.png 'flowers/*/a.png'"
    classed = open_source("flowers", DataSettings())
    assert all(part.labelled for part in classed.splits.values())
    known = next(part for part in classed.splits.values() if "rose/a.png" in part.names[0])
    assert np.array_equal(np.asarray(split.picture(3)), np.asarray(known.picture(0)))


def test_every_text_that_names_no_picture_is_said(place: Path) -> None:
    with pytest.raises(RequestError) as error:
        loose_source(["nothere.jpg", "photos", "*.jpg"], 10**6)
    assert len(error.value.findings) == 2
    assert "nothere.jpg" in error.value.findings[0]
    assert "*.jpg" in error.value.findings[1]
