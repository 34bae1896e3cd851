"""Splits under any name that people give them, and what is refused or named because it looks like one and is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.kinds.split_names import split_of, split_of_file
from cardinet.data.source import open_source
from cardinet.data.splitting import pictures_of
from data.pictures import MakePicture

NAMES = {
    "train": [
        "train",
        "Train",
        "TRAIN",
        "training",
        "Training",
        "seg_train",
        "train_set",
        "Training-Images",
        "trainset",
    ],
    "validation": ["val", "Val", "valid", "validation", "dev", "eval", "Evaluation", "val_images", "valid set"],
    "test": ["test", "Test", "Testing", "seg_test", "test_set", "holdout", "hold-out", "testset"],
}
OTHERS = ["trains", "retrain", "tester", "train_station", "ant", "evaluate_me", "images", "", "train_test"]


def test_names() -> None:
    cases = [(name, split) for split, names in NAMES.items() for name in names] + [(name, None) for name in OTHERS]
    assert len(cases) == 35
    assert {name: split_of(name) for name, _ in cases} == dict(cases)
    files = {"train-00000-of-00004.parquet": "train", "Test_1.parquet": "test", "valid.parquet": "validation"}
    assert {name: split_of_file(name) for name in files} == files
    assert split_of_file("trainer.parquet") is None


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Train", "Test"), ["train", "test"]),
        (("Training", "Testing"), ["train", "test"]),
        (("seg_train/seg_train", "seg_test/seg_test"), ["train", "test"]),
        (("train", "dev", "TEST"), ["train", "validation", "test"]),
    ],
)
def test_class_folders(tmp_path: Path, make_picture: MakePicture, folders: tuple[str, ...], splits: list[str]) -> None:
    for seed, folder in enumerate(folders):
        for name in ("ant", "bee"):
            make_picture(tmp_path / folder / name / "x.png", seed=seed)
    source = open_source(str(tmp_path), DataSettings())
    assert (source.classes, list(source.splits)) == (("ant", "bee"), splits)
    assert [len(split) for split in source.splits.values()] == [2] * len(splits)


def test_classes_that_hold_the_same_folders_are_splits(tmp_path: Path, make_picture: MakePicture) -> None:
    for split in ("part one", "part two"):
        for name in ("ant", "bee"):
            make_picture(tmp_path / split / name / "x.png")
    with pytest.raises(WorkError, match=r"part one/, part two/, and each holds the same folders \(ant, bee\)"):
        open_source(str(tmp_path), DataSettings())
    make_picture(tmp_path / "part one" / "cat" / "x.png")
    assert open_source(str(tmp_path), DataSettings()).classes == ("part one", "part two")


@pytest.mark.parametrize("inner", ["test", "images", "Unknown"])
def test_a_test_folder_without_labels_is_not_used(tmp_path: Path, make_picture: MakePicture, inner: str) -> None:
    for place in ("train/ant", "train/bee", f"test/{inner}"):
        for i in range(5):
            make_picture(tmp_path / place / f"{i}.png", seed=i)
    source = open_source(str(tmp_path), DataSettings())
    assert [note.detail for note in source.notes] == ["it holds no class folders, so it is not used"]
    assert sum(map(len, source.splits.values())) == 10


def test_splits_without_train(tmp_path: Path, make_picture: MakePicture) -> None:
    make_picture(tmp_path / "test" / "ant" / "x.png")
    with pytest.raises(WorkError, match=r"holds test/ with class folders, but no train/"):
        open_source(str(tmp_path), DataSettings())


def test_folders_that_are_not_used_are_named(tmp_path: Path, make_picture: MakePicture) -> None:
    for place in ("train/ant", "train/bee", "val/ant", "val/bee", "extra/ant"):
        make_picture(tmp_path / place / "x.png")
    make_picture(tmp_path / "test" / "1.png")
    notes = [note.sentence() for note in open_source(str(tmp_path), DataSettings()).notes]
    assert notes == [
        f"{tmp_path}/extra: unused-folder: it lies beside train/, val/ and is not used.",
        f"{tmp_path}/test: unused-folder: it holds no class folders, so it is not used.",
    ]


def test_a_folder_with_the_name_of_a_built_in_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list_source("digits").problems == ()
    (tmp_path / "digits").mkdir()
    assert [problem.detail for problem in list_source("digits").problems] == [
        "the built-in source is used, not the folder digits/ here; to use the folder, write ./digits"
    ]


@pytest.mark.parametrize("val", ["val", "Val", "valid", "validation"])
def test_imagenet_under_other_names(tmp_path: Path, make_picture: MakePicture, val: str) -> None:
    for split in ("Train", val):
        for synset in ("n1", "n2"):
            make_picture(tmp_path / split / synset / "0.png")
    counts = {name: len(part) for name, part in list_source(f"imagenet:{tmp_path}").parts.items()}
    assert counts == {"train": 2, "validation": 2}
    make_picture(tmp_path / "dev" / "n1" / "0.png")
    with pytest.raises(WorkError, match="keep one of them"):
        list_source(f"imagenet:{tmp_path}")


def tiny_imagenet(root: Path, make_picture: MakePicture) -> Path:
    for name in ("n01", "n02"):
        make_picture(root / "train" / name / "images" / f"{name}_0.JPEG")
        (root / "train" / name / f"{name}_boxes.txt").write_text("n01_0.JPEG\t0\t0\t1\t1\n")
    for i in range(3):
        make_picture(root / "val" / "images" / f"val_{i}.JPEG")
    make_picture(root / "test" / "images" / "test_0.JPEG")
    lines = [f"val_{i}.JPEG\tn0{1 + i % 2}\t0\t0\t62\t62\n" for i in range(3)]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    return root


def test_tiny_imagenet(tmp_path: Path, make_picture: MakePicture) -> None:
    root = tiny_imagenet(tmp_path, make_picture)
    source = open_source(f"tiny-imagenet:{root}", DataSettings())
    assert (source.classes, {name: len(split) for name, split in source.splits.items()}) == (
        ("n01", "n02"),
        {"train": 2, "validation": 3},
    )
    found = source.splits["validation"]
    assert {Path(found.names[i]).name: int(found.labels[i]) for i in range(3)} == {
        "val_0.JPEG": 0,
        "val_1.JPEG": 1,
        "val_2.JPEG": 0,
    }
    for text in (str(root), f"imagenet:{root}"):
        with pytest.raises(RequestError, match=f"write tiny-imagenet:{root}"):
            open_source(text, DataSettings())
    make_picture(root / "val" / "images" / "val_9.JPEG")
    with pytest.raises(WorkError, match="no line for 1 picture of"):
        open_source(f"tiny-imagenet:{root}", DataSettings())
    with pytest.raises(RequestError, match="is not Tiny ImageNet"):
        open_source(f"tiny-imagenet:{root}/train", DataSettings())


def test_the_pictures_of_a_source_without_splits_have_no_name() -> None:
    assert [pictures_of("test"), pictures_of("test", 1), pictures_of("test", 1200)] == [
        "test pictures",
        "1 test picture",
        "1,200 test pictures",
    ]
    assert [pictures_of("all"), pictures_of("all", 1), pictures_of("all", 40)] == [
        "pictures",
        "1 picture",
        "40 pictures",
    ]
