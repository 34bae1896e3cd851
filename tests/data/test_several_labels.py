"""Pictures with several labels: every way to write them, their division, and everything that is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import cardinet
from cardinet.base.errors import CardinetError
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.labelling import SEVERAL, labelling_of
from cardinet.data.source_listing import Listing
from cardinet.data.splitting import divided
from data.pictures import MakePicture, noise

NAMES = ("bus", "cat", "dog")
LISTS = [(0,), (1, 2), (), (0, 1, 2), (2,), (1,), (0, 2), (1, 2), (), (0,)]
MATRIX = np.array([[int(k in row) for k in range(3)] for row in LISTS], np.uint8)


@pytest.fixture
def folder(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Ten small pictures, 0.png to 9.png."""
    for i in range(len(LISTS)):
        make_picture(tmp_path / f"{i}.png", size=(12, 10), seed=i)
    return tmp_path


def table(folder: Path, header: str, rows: list[str]) -> str:
    (folder / "t.csv").write_text("\n".join([header, *rows, ""]))
    return f"csv:{folder / 't.csv'}"


def joined(separator: str) -> list[str]:
    return [separator.join(NAMES[k] for k in row) for row in LISTS]


def marked(yes: str, no: str) -> list[str]:
    return [",".join(yes if k in row else no for k in range(3)) for row in LISTS]


TABLES: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "bar": ("file,labels", joined("|"), {"labels": "list", "label_separator": "|"}),
    "space": ("file,labels", joined("  "), {"labels": "list", "label_separator": "space"}),
    "comma": ("file,labels", [f'"{row}"' for row in joined(", ")], {"labels": "list", "label_separator": ","}),
    "columns": (
        "file,a,b,c",
        [",".join([NAMES[k] for k in row] + [""] * (3 - len(row))) for row in LISTS],
        {"labels": "columns", "label_column": "c, b,a"},
    ),
    "marks": ("file,bus,cat,dog", marked("1", "0"), {"labels": "marks"}),
    "minus": ("file,bus,cat,dog", marked("1", "-1"), {"labels": "marks"}),
    "floats": (
        "file,age,bus,cat,dog",
        [f"37,{row}" for row in marked("1.0", "0.0")],
        {"labels": "marks", "label_column": "bus,cat,dog"},
    ),
}


@pytest.mark.parametrize("form", TABLES)
def test_every_form_of_a_table_gives_the_same_labels(folder: Path, form: str) -> None:
    header, rows, settings = TABLES[form]
    text = table(folder, header, [f"{i}.png,{row}" for i, row in enumerate(rows)])
    found = list_source(text, DataSettings(**settings))
    assert (found.classes, found.labelling, found.unsplit) == (NAMES, SEVERAL, True)
    assert found.parts["train"].labels.dtype == np.uint8
    assert np.array_equal(found.parts["train"].labels, MATRIX)
    assert [problem.sentence() for problem in found.problems] == []
    assert check(text, DataSettings(**settings)).bad() == ()
    assert len(TABLES) == 7


def parquet(folder: Path, values: list[Any], kind: pa.DataType, names: bool = False) -> str:
    pictures = [{"bytes": (folder / f"{i}.png").read_bytes(), "path": None} for i in range(len(values))]
    columns = pa.table({"image": pictures, "labels": pa.array(values, pa.list_(kind))})
    if names:
        stated = '{"info": {"features": {"labels": {"feature": {"names": ["bus", "cat", "dog"]}}}}}'
        columns = columns.replace_schema_metadata({"huggingface": stated})
    pq.write_table(columns, folder / "train.parquet")
    return f"parquet:{folder / 'train.parquet'}"


def test_lists_in_rows_are_labels(folder: Path) -> None:
    asked = DataSettings(labels="list")
    words = list_source(parquet(folder, [[NAMES[k] for k in row] for row in LISTS], pa.string()), asked)
    numbers = list_source(parquet(folder, [list(row) for row in LISTS], pa.int64(), names=True), asked)
    plain = list_source(parquet(folder, [list(row) for row in LISTS], pa.int8()), asked)
    for found, names in ((words, NAMES), (numbers, NAMES), (plain, ("0", "1", "2"))):
        assert found.classes == names
        assert np.array_equal(found.parts["train"].labels, MATRIX)


class Pairs(torch.utils.data.Dataset[Any]):
    """Pictures with labels as a program has them."""

    def __init__(self, labels: list[Any], **more: Any) -> None:
        self.labels_of_items = labels
        self.__dict__.update(more)

    def __len__(self) -> int:
        return len(self.labels_of_items)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return noise(12, 10, seed=index), self.labels_of_items[index]


GIVEN: dict[str, list[Any]] = {
    "lists": [list(row) for row in LISTS],
    "sets": [set(row) for row in LISTS],
    "arrays": list(MATRIX),
    "floats": [torch.tensor(row).float() for row in MATRIX],
}


@pytest.mark.parametrize("way", GIVEN)
def test_a_data_set_gives_lists_or_marks(way: str) -> None:
    found = list_source(cardinet.source(Pairs(GIVEN[way]), NAMES))
    assert (found.classes, found.labelling) == (NAMES, SEVERAL)
    assert np.array_equal(found.parts["train"].labels, MATRIX)
    assert list_source(cardinet.source(Pairs(GIVEN[way], targets=MATRIX))).classes == ("0", "1", "2")
    assert len(GIVEN) == 4


def many(count: int = 600, classes: int = 6, seed: int = 0) -> np.ndarray:
    """Labels of unequal frequency, some of them together more often than by chance."""
    rng = np.random.default_rng(seed)
    labels = rng.random((count, classes)) < np.geomspace(0.4, 0.02, classes)
    labels[:, 1] |= labels[:, 0] & (rng.random(count) < 0.5)
    return labels.astype(np.uint8)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_are_alike_in_every_label(folds: int) -> None:
    labels = many()
    numbers = SEVERAL.folds(labels, folds, seed=3)
    sizes = np.bincount(numbers, minlength=folds)
    assert sizes.sum() == len(labels)
    assert sizes.max() - sizes.min() <= folds
    counts = np.array([labels[numbers == fold].sum(0) for fold in range(folds)])
    assert (counts.max(0) - counts.min(0)).max() <= folds
    assert np.array_equal(numbers, SEVERAL.folds(labels, folds, seed=3))
    assert not np.array_equal(numbers, SEVERAL.folds(labels, folds, seed=4))


def test_a_division_has_its_share_of_every_label() -> None:
    labels = many(1000)
    test, validation, train = SEVERAL.held_out(labels, [0.1, 0.2], seed=1)
    assert np.array_equal(np.sort(np.concatenate([test, validation, train])), np.arange(1000))
    for rows, share in ((test, 0.1), (validation, 0.2), (train, 0.7)):
        assert abs(len(rows) - 1000 * share) <= 5
        assert np.abs(labels[rows].sum(0) - labels.sum(0) * share).max() <= 3
    rare = np.zeros((50, 2), np.uint8)
    rare[:, 0], rare[7, 1] = 1, 1
    assert 7 in SEVERAL.held_out(rare, [0.1, 0.1], seed=0)[-1]  # else it could not be learned
    assert [len(rows) for rows in SEVERAL.held_out(rare, [0.0, 0.0], seed=0)] == [0, 0, 50]


def test_a_source_is_divided_and_folded(folder: Path) -> None:
    text = table(folder, "file,labels", [f"{i}.png,{row}" for i, row in enumerate(joined("|"))])
    asked: dict[str, Any] = {"labels": "list", "label_separator": "|"}
    listing = list_source(text, DataSettings(**asked))
    places: list[str] = []
    for fold in range(2):
        parts = divided(listing, DataSettings(**asked, folds=2, fold=fold, test=0.0))
        part = parts["validation"]
        places += [part.names.inside(i) for i in range(len(part))]
        assert [MATRIX[int(part.names.inside(i)[0])].tolist() for i in range(len(part))] == part.labels.tolist()
    assert sorted(places) == [f"{i}.png" for i in range(10)]


def sentences(listing: Listing) -> str:
    return " ".join(problem.sentence() for problem in listing.problems)


def test_all_faults_of_rows_are_found_at_once(folder: Path) -> None:
    rows = [
        "0.png,bus|cat,train",
        "1.png,cat|cat,train",
        "2.png,,train",
        "2.png,,train",
        "0.png,cat,train",
        "x.png,bus,train",
        "3.png,owl,val",
        "4.png,bus,later",
        "5.png,cat|bus,val",
        "0.png,cat|bus,train",
    ]
    found = list_source(table(folder, "file,labels,split", rows), DataSettings(labels="list", label_separator="|"))
    said = sentences(found)
    for words in (
        "twice-named: line 3 (cat): the row names a label twice",
        "duplicate-row: line 5 (2.png, as line 4), line 11 (0.png, as line 2)",
        "two-labels: line 6 (0.png is cat, and bus, cat in line 2)",
        "missing-file: line 7 (x.png)",
        "unknown-split: line 9 (later)",
        "unknown-class: the train rows of",
        "do not have the classes owl",
    ):
        assert words in said
    assert sum(problem.bad for problem in found.problems) == 6
    assert np.array_equal(found.parts["train"].labels, [[1, 1], [0, 0]])


WRONG: dict[str, tuple[str, list[str], dict[str, Any], str]] = {
    "no separator": ("file,labels", joined("|"), {"labels": "list"}, "data.label_separator='|'. A cell of labels is"),
    "other separator": (
        "file,labels",
        joined(";"),
        {"labels": "list", "label_separator": "|"},
        "no cell of the column labels holds the separator '|', and 4 cells hold ';'; name the right one: --set "
        "data.label_separator=';'",
    ),
    "no columns": ("file,a,b", ["bus,", "cat,"], {"labels": "columns"}, "--set data.label_column=A,B"),
    "no such column": (
        "file,a,b",
        ["bus,", "cat,"],
        {"labels": "columns", "label_column": "a,d"},
        "has no column data.label_column = 'd'",
    ),
    "no mark": ("file,age,bus", ["37,1", "12,0"], {"labels": "marks"}, "no-mark: line 2 (age = '37'), line 3"),
    "three marks": ("file,bus,cat", ["1,0", "-1,1"], {"labels": "marks"}, "-1 may mean that a label is uncertain"),
    "separator of one": ("file,label", ["a", "b"], {"label_separator": "|"}, "label_separator is for labels = list"),
    "no rows": ("file,labels", [], {"labels": "list", "label_separator": "|"}, "has no rows below its header"),
    "one label": ("file,labels", ["bus", "bus"], {"labels": "list", "label_separator": "|"}, 'only one class, "bus"'),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_says_what_to_write(folder: Path, case: str) -> None:
    header, rows, settings, words = WRONG[case]
    text = table(folder, header, [f"{i}.png,{row}" for i, row in enumerate(rows)])
    try:
        said = sentences(list_source(text, DataSettings(**settings)))
    except (CardinetError, ValueError) as error:
        said = str(error)
    assert words in said
    assert len(WRONG) == 9


def test_a_class_without_a_picture_is_a_note(folder: Path) -> None:
    rows = [f"{i}.png,{int(i % 2)},0,1" for i in range(4)]
    found = list_source(table(folder, "file,bus,cat,dog", rows), DataSettings(labels="marks"))
    assert "empty-class: no picture of cat; they cannot be learnt" in sentences(found)
    assert not any(problem.bad for problem in found.problems)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([["a", "a"], ["b"]], "row 0 (a is named twice)"),
        ([["a", None], ["b"]], "row 0 (an empty value)"),
        ([["a"], None], "row 1 of train has no list of labels; write an empty list"),
    ],
)
def test_wrong_lists_in_rows_name_the_row(folder: Path, values: list[Any], words: str) -> None:
    with pytest.raises(CardinetError) as error:
        list_source(parquet(folder, values, pa.string()), DataSettings(labels="list"))
    assert words in str(error.value)


def test_the_way_of_labels_is_never_guessed(folder: Path) -> None:
    lists = parquet(folder, [["a"], ["b"]], pa.string())
    for data, settings, words in (
        (lists, {}, "for several labels of a picture: --set data.labels=list"),
        (lists, {"labels": "marks"}, "data.labels = marks is for csv:FILE"),
        (str(folder), {"labels": "list"}, "data.labels is for"),
    ):
        with pytest.raises(CardinetError) as error:
            list_source(data, DataSettings(**settings))
        assert words in str(error.value)
    for labels, words in (
        ([[0, 1, 0], [1, 0, 0]], "names 0 twice; marks of 0 and 1 are an array or a tensor, not a list"),
        ([[0], 1], "its label is a int, and not a list of whole numbers"),
        ([np.array([0, 1, 2])], "and not an array or tensor of 0 and 1"),
    ):
        with pytest.raises(CardinetError) as error:
            cardinet.source(Pairs(list(labels)))
        assert words in str(error.value)


def test_labels_are_renumbered_by_name() -> None:
    labelling = labelling_of(MATRIX)
    found = labelling.renumbered(MATRIX, np.array([3, 0, -1]), 4)
    assert np.array_equal(found[:, [3, 0]], MATRIX[:, :2])
    assert not found[:, [1, 2]].any()
    assert labelling.counts(MATRIX, 3).tolist() == [4, 4, 5]
    assert [labelling.words(MATRIX[i], NAMES) for i in (1, 2)] == ["cat, dog", "no label"]


@pytest.mark.long
def test_lists_of_the_library_datasets_keep_their_names(folder: Path) -> None:
    """Sequence(ClassLabel), saved by the library itself as Arrow files and as parquet."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "labels": datasets.Sequence(datasets.ClassLabel(names=list(NAMES)))}
    )
    pictures = [str(folder / f"{i}.png") for i in range(len(LISTS))]
    made = datasets.Dataset.from_dict({"image": pictures, "labels": [list(row) for row in LISTS]}, features=features)
    made.save_to_disk(folder / "saved")
    made.to_parquet(folder / "train.parquet")
    for text in (f"datasets:{folder / 'saved'}", f"parquet:{folder / 'train.parquet'}"):
        found = list_source(text, DataSettings(labels="list"))
        assert (found.classes, found.labelling) == (NAMES, SEVERAL)
        assert np.array_equal(found.parts["train"].labels, MATRIX)
