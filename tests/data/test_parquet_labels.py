"""Labels of parquet files: each file's own class names, integers of every width, names instead of numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cardinet
from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from data.pictures import noise
from data.test_datasets import Pictures


def write(path: Path, labels: Sequence[Any] | None, names: list[str] | None = None, kind: Any = None) -> None:
    """A file of one picture for each label (of two without a column of labels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for row in range(2 if labels is None else len(labels)):
        noise(16, 16, seed=hash((path.name, row)) % 2**31).save(path.with_suffix(".png"))
        pictures.append({"bytes": path.with_suffix(".png").read_bytes()})
    table = pa.table({"image": pa.array(pictures)} | ({} if labels is None else {"label": pa.array(labels, kind)}))
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    path.with_suffix(".png").unlink()


def opened(path: Path) -> Source:
    return open_source(f"parquet:{path}", DataSettings())


def labels(source: Source) -> dict[str, list[int]]:
    return {name: split.labels.tolist() for name, split in source.splits.items()}


def test_every_file_has_its_own_names(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 2, 0], ["ant", "bee", "cat"])
    write(tmp_path / "train-1.parquet", [0, 1, 1], ["bee", "dog"])  # a class that the first shard does not name
    write(tmp_path / "test.parquet", [0, 1, 2, 3], ["dog", "cat", "bee", "ant"])
    source = opened(tmp_path)
    assert source.classes == ("ant", "bee", "cat", "dog")
    assert labels(source) == {"train": [0, 1, 2, 0, 1, 3, 3], "test": [3, 2, 1, 0]}


@pytest.mark.parametrize("form", ["one", "list", "data set", "lists of a data set"])
def test_one_wrong_number_does_not_fill_the_memory(tmp_path: Path, form: str) -> None:
    """Classes without names are counted by their highest number, which was made into a list without a bound."""
    numbers, settings, text = [0, 1, 10**11], DataSettings(labels="list" if form == "list" else "one"), ""
    with pytest.raises(WorkError, match=r"the label 100,000,000,000 is no class; .* up to 999,999"):  # noqa: PT012
        if "data set" in form:
            picture = np.zeros((8, 8), np.uint8)
            text = cardinet.source(Pictures([(picture, [n] if "lists" in form else n) for n in numbers]))
        else:
            write(tmp_path / "a.parquet", [[n] for n in numbers] if form == "list" else numbers)
            text = f"parquet:{tmp_path}"
        open_source(text, settings)


def test_marks_that_need_more_than_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", [[0], [1], [99_999]])
    monkeypatch.setattr("cardinet.measure.available_memory.available_memory", lambda device: 200_000)
    with pytest.raises(RequestError, match="The marks of 100,000 classes for 3 pictures"):
        open_source(f"parquet:{tmp_path}", DataSettings(labels="list"))


def test_names_that_training_does_not_have(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1], ["ant", "bee"])
    write(tmp_path / "test.parquet", [0, 1, 1], ["ant", "eel", "fly"])
    with pytest.raises(WorkError, match="do not have the classes eel, so they cannot be learnt"):
        opened(tmp_path)
    write(tmp_path / "test.parquet", [0, 0], ["ant", "eel", "fly"])  # named, but no row has it
    assert labels(opened(tmp_path))["test"] == [0, 0]


def test_names_in_one_file_only(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1], ["ant", "bee"])
    write(tmp_path / "test.parquet", [0, 1])
    with pytest.raises(WorkError, match=r"test\.parquet does not state the names of its classes, but .*train\.parquet"):
        opened(tmp_path)


INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")


def test_integers_of_every_width(tmp_path: Path) -> None:
    for number, kind in enumerate(INTEGERS):
        values = [False, True, True, False] if kind == "bool" else [0, 1, 1, 0]
        write(tmp_path / str(number) / "train.parquet", values, kind=pa.type_for_alias(kind))
        source = opened(tmp_path / str(number) / "train.parquet")
        found = {split.names[i]: int(split.labels[i]) for split in source.splits.values() for i in range(len(split))}
        assert [found[f"train.parquet row {row}"] for row in range(4)] == [0, 1, 1, 0], kind
    assert len(INTEGERS) == 9
    write(tmp_path / "huge.parquet", [0, 2**63], kind=pa.uint64())
    with pytest.raises(WorkError, match=r"huge\.parquet cannot be read"):
        opened(tmp_path / "huge.parquet")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_names_instead_of_numbers(tmp_path: Path, kind: pa.DataType) -> None:
    write(tmp_path / "train.parquet", ["bee", "ant", "cat"], kind=kind)
    write(tmp_path / "test.parquet", ["cat", "bee"], kind=kind)
    source = opened(tmp_path)
    assert (source.classes, labels(source)) == (("ant", "bee", "cat"), {"train": [1, 0, 2], "test": [2, 1]})


@pytest.mark.parametrize("without", [[-1, -1], [None, None], None])
def test_a_test_file_without_labels_is_no_split(tmp_path: Path, without: list[Any] | None) -> None:
    write(tmp_path / "train.parquet", [0, 1] * 10, ["ant", "bee"])
    write(tmp_path / "test.parquet", without, ["ant", "bee"] if without == [-1, -1] else None, pa.int64())
    source = opened(tmp_path)
    assert [(note.kind, note.detail) for note in source.notes] == [
        ("no-labels", "its rows have no labels, so there is no test split")
    ]
    assert sum(map(len, source.splits.values())) == 20


def test_classes_without_pictures_are_named(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 2], ["ant", "bee", "cat"])
    write(tmp_path / "test.parquet", [2], ["ant", "bee", "cat"])
    assert [note.sentence() for note in opened(tmp_path).notes] == [
        "the train files: empty-class: no picture of bee; they cannot be learnt.",
        "the test files: empty-class: no picture of ant, bee; they are not measured.",
    ]


@pytest.mark.parametrize("other", ["dev-0.parquet", "Valid/0.parquet"])
def test_two_names_of_one_split(tmp_path: Path, other: str) -> None:
    for name in ("train-0.parquet", "val-0.parquet", "val-1.parquet"):
        write(tmp_path / name, [0, 1])
    assert {split: len(rows) for split, rows in labels(opened(tmp_path)).items()} == {"train": 2, "validation": 4}
    write(tmp_path / other, [0, 1])
    with pytest.raises(WorkError, match="keep one of them"):
        opened(tmp_path)
