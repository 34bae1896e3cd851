"""Class folders as people have them: odd names, other files, empty folders, link loops."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.picture_inputs import picture_paths
from cardinet.data.source import open_source
from data.pictures import MakePicture

SETTINGS = DataSettings()


def test_splits_labels_and_names(photographs: Path) -> None:
    source = open_source(str(photographs), SETTINGS)
    assert source.classes == ("ant", "bee", "cat")
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 24, "validation": 6}
    train = source.splits["train"]
    assert train.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert train.names[8] == str(photographs / "train/bee/0.jpg")
    assert train.picture(9).size == (75, 87)
    assert (source.small, source.size, source.channels, source.flips) == (False, None, 3, True)


def test_classes_are_sorted_as_text(tmp_path: Path, make_picture: MakePicture) -> None:
    for name in ("2", "10", "B", "a"):
        make_picture(tmp_path / "train" / name / "x.png")
        make_picture(tmp_path / "test" / name / "x.png")
    assert open_source(str(tmp_path), SETTINGS).classes == ("10", "2", "B", "a")


def test_nested_hidden_and_other_files(tmp_path: Path, make_picture: MakePicture) -> None:
    for split in ("train", "valid"):
        make_picture(tmp_path / split / "ant" / "deep" / "er" / "x.JPG", format="JPEG")
        make_picture(tmp_path / split / "bee" / "y.tif")
        make_picture(tmp_path / split / "bee" / ".hidden.png")
        make_picture(tmp_path / split / ".cache" / "z.png")
        (tmp_path / split / "bee" / "Thumbs.db").write_bytes(b"x")
        (tmp_path / split / "notes.txt").write_text("x")
    source = open_source(str(tmp_path), SETTINGS)
    assert [len(split) for split in source.splits.values()] == [2, 2]
    assert source.splits["train"].names[0].endswith("ant/deep/er/x.JPG")
    assert source.ignored == 2  # without what the system made
    left_out = "left out as hidden or system files: .cache/ (1), .hidden.png (1), Thumbs.db (1)"
    assert [note.detail for note in source.notes] == [left_out] * 2


def test_a_class_may_be_called_train(tmp_path: Path, make_picture: MakePicture) -> None:
    for name in ("bus", "train"):
        for i in range(4):
            make_picture(tmp_path / name / f"{i}.png", seed=i)
    assert open_source(str(tmp_path), SETTINGS).classes == ("bus", "train")


def test_a_folder_without_splits_is_divided_80_10_10(tmp_path: Path, make_picture: MakePicture) -> None:
    for name, count in (("ant", 20), ("bee", 10)):
        for i in range(count):
            make_picture(tmp_path / name / f"{i:02}.png", seed=i)
    splits = open_source(str(tmp_path), SETTINGS).splits
    assert {name: np.bincount(split.labels).tolist() for name, split in splits.items()} == {
        "train": [16, 8],
        "validation": [2, 1],
        "test": [2, 1],
    }
    everything = sorted(name for split in splits.values() for name in split.names)
    assert len(set(everything)) == 30
    again = open_source(str(tmp_path), SETTINGS).splits
    assert list(again["test"].names) == list(splits["test"].names)
    other = open_source(str(tmp_path), DataSettings(split_seed=1)).splits
    assert list(other["test"].names) != list(splits["test"].names)
    none = open_source(str(tmp_path), DataSettings(validation=0.0, test=0.0)).splits
    assert {name: len(split) for name, split in none.items()} == {"train": 30}


def test_link_loops_end(tmp_path: Path, make_picture: MakePicture) -> None:
    for name in ("ant", "bee"):
        make_picture(tmp_path / "train" / name / "x.png")
        make_picture(tmp_path / "val" / name / "x.png")
    os.symlink(tmp_path / "train", tmp_path / "train" / "ant" / "up")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "train" / "bee" / "gone.png")
    names = list(open_source(str(tmp_path), SETTINGS).splits["train"].names)
    found = [os.path.relpath(name, tmp_path) for name in names]
    assert found == ["train/ant/x.png", "train/bee/gone.png", "train/bee/x.png"]


@pytest.mark.parametrize("above", ["ant", "one", "", ".."], ids=["class", "split", "source", "above"])
def test_a_link_to_a_folder_above_brings_no_pictures_of_other_classes(
    tmp_path: Path, make_picture: MakePicture, above: str
) -> None:
    """It did from class folders up: the pictures of all classes were in the class with the link."""
    root = tmp_path / "data" / "set"
    for name in ("ant", "bee"):
        make_picture(root / "one" / name / "x.png")
    make_picture(tmp_path / "data" / "other.png")
    target = root / "one" / "ant" if above == "ant" else root / above
    os.symlink(target, root / "one" / "ant" / "up")
    found = list_source(str(root / "one"))
    assert [found.parts["train"].names.inside(i) for i in range(2)] == ["ant/x.png", "bee/x.png"]
    assert len(found.parts["train"]) == 2
    assert [Path(path).name for path in picture_paths(str(root / "one" / "ant"), None, None)] == ["x.png"]


def test_names_that_are_not_utf8(tmp_path: Path, make_picture: MakePicture) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    for part in ("train", "val"):
        for name in ("ant", "bee"):
            make_picture(tmp_path / part / name / "x.png")
            os.rename(tmp_path / part / name / "x.png", tmp_path / part / name / odd)
    split = open_source(str(tmp_path), SETTINGS).splits["train"]
    assert split.names[0].endswith(odd)
    assert split.picture(0).size == (80, 60)


def broken(tmp_path: Path, make_picture: MakePicture, kind: str) -> Path:
    root = tmp_path / "data"
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            make_picture(root / split / name / "x.png")
    if kind == "empty-class":
        (root / "train" / "cat").mkdir()
        (root / "train" / "dog").mkdir()
    elif kind == "unknown-class":
        make_picture(root / "val" / "cat" / "x.png")
    elif kind == "one-class":
        for split in ("train", "val"):
            (root / split / "bee" / "x.png").unlink()
            (root / split / "bee").rmdir()
    elif kind == "no-pictures":
        for name in ("ant", "bee"):
            (root / "val" / name / "x.png").unlink()
    elif kind == "two-vals":
        make_picture(root / "valid" / "ant" / "x.png")
    return root


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty-class", ["cat: ", "dog: ", "holds no pictures"]),
        ("unknown-class", ["val/cat", "no folder in train/"]),
        ("one-class", ['only one class, "ant"']),
        ("no-pictures", ["validation split holds no pictures"]),
        ("two-vals", ["both val/ and valid/"]),
    ],
)
def test_bad_folders_say_what_is_wrong(tmp_path: Path, make_picture: MakePicture, kind: str, words: list[str]) -> None:
    with pytest.raises(WorkError) as error:
        open_source(str(broken(tmp_path, make_picture, kind)), SETTINGS)
    for word in words:
        assert word in str(error.value)


def test_a_folder_of_loose_pictures(tmp_path: Path, make_picture: MakePicture) -> None:
    make_picture(tmp_path / "x.png")
    with pytest.raises(WorkError, match="holds no class folders"):
        open_source(str(tmp_path), SETTINGS)


def test_a_file_is_no_folder(tmp_path: Path, make_picture: MakePicture) -> None:
    with pytest.raises(RequestError, match="is a file"):
        open_source(str(make_picture(tmp_path / "x.png")), SETTINGS)


def test_the_fingerprint_is_of_names_sizes_and_classes(photographs: Path) -> None:
    text = str(photographs)
    before = open_source(text, SETTINGS).fingerprint
    assert open_source(text, DataSettings(limit=3, split_seed=5)).fingerprint == before
    moved = photographs.with_name("moved")
    photographs.rename(moved)
    assert open_source(str(moved), SETTINGS).fingerprint == before
    picture = moved / "train" / "ant" / "0.jpg"
    picture.write_bytes(picture.read_bytes() + b"x")
    assert open_source(str(moved), SETTINGS).fingerprint != before
