"""Tables of file names and labels: columns, encodings, splits, paths, and everything that is wrong with the rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import absolute, list_source
from cardinet.data.picture_inputs import picture_inputs
from cardinet.data.source import Source, open_source
from data.pictures import MakePicture


@pytest.fixture
def animals(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Class folders of 2 classes with 10 small pictures each."""
    root = tmp_path / "animals"
    for number, name in enumerate(("ant", "bee")):
        for i in range(10):
            make_picture(root / name / f"{i}.png", size=(12, 10), seed=10 * number + i)
    return root


def rows_of(root: Path) -> list[tuple[str, str]]:
    return [(file.relative_to(root).as_posix(), file.parent.name) for file in sorted(root.glob("*/*.png"))]


def write(file: Path, header: str, lines: list[str], encoding: str = "utf-8") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
    return file


def opened(file: Path, **settings: Any) -> Source:
    return open_source(f"csv:{file}", DataSettings(**settings))


def by_name(source: Source, split: str) -> dict[str, tuple[str, bytes]]:
    """The class and the pixels of each picture, by its path in its class folder."""
    pictures = source.splits[split]
    return {
        "/".join(Path(pictures.names[i]).parts[-2:]): (
            source.classes[pictures.labels[i]],
            np.asarray(pictures.picture(i)).tobytes(),
        )
        for i in range(len(pictures))
    }


FORMS: dict[str, tuple[str, str, str]] = {
    "csv": ("file,label", "{0},{1}", "utf-8"),
    "mark": ("Filename,Class", "{0},{1}", "utf-8-sig"),
    "tsv": ("path\ttarget\tnote", "{0}\t{1}\ta, b", "utf-8"),
    "semicolon": ("category;image", "{1};{0}", "utf-8"),
    "bar": ("Image Path|label", " {0} | {1} ", "utf-8"),
    "quoted": ('"file","label"', '"{0}","{1}"', "utf-8"),
    "utf-16": ("file,label", "{0},{1}", "utf-16"),
    "windows": ("file,label,who", "{0},{1},Jos\u00e9", "cp1252"),
    "id": ("id,breed,label", "{0:.5},x,{1}", "utf-8"),
    "file and id": ("id,file,label", "7,{0},{1}", "utf-8"),
    "backslash": ("file,label", ".\\{2},{1}", "utf-8"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_pictures_of_the_class_folders(animals: Path, form: str) -> None:
    header, line, encoding = FORMS[form]
    lines = [line.format(file, label, file.replace("/", "\\")) for file, label in rows_of(animals)]
    table = write(animals / "table.txt", header, lines, encoding)
    one, other = opened(table), open_source(str(animals), DataSettings())
    assert (one.classes, one.unsplit) == (other.classes, True) == (("ant", "bee"), True)
    for split in ("train", "validation", "test"):
        assert by_name(one, split) == by_name(other, split)
    assert [note.kind for note in one.notes] == (["encoding"] if form == "windows" else [])
    assert len(FORMS) == 11


def test_a_split_column_keeps_its_splits(animals: Path) -> None:
    words = ["Train", "val", "testing", "train", "train"] * 4
    lines = [f"{file},{label},{word}" for (file, label), word in zip(rows_of(animals), words, strict=True)]
    source = opened(write(animals / "a.csv", "file,label,split", lines))
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 12, "validation": 4, "test": 4}
    assert source.splits["validation"].names[0] == str(animals / "ant/1.png")
    assert not source.unsplit
    other = opened(write(animals / "b.csv", "file,label,use", lines), split_column="use")
    assert by_name(other, "test") == by_name(source, "test")
    assert opened(write(animals / "b.csv", "file,label,use", lines)).unsplit


def test_whole_numbers_are_sorted_as_numbers(animals: Path) -> None:
    files = [file for file, _ in rows_of(animals)]
    numbers = [10, 2, 1, 2, 10] * 4
    table = write(animals / "a.csv", "file,label", [f"{f},{n}" for f, n in zip(files, numbers, strict=True)])
    listing = list_source(f"csv:{table}")
    assert listing.classes == ("1", "2", "10")
    assert listing.parts["train"].labels.tolist() == [2, 1, 0, 1, 2] * 4


def test_columns_and_root_are_settings(animals: Path, tmp_path: Path) -> None:
    lines = [f"{Path(file).name},{label},{label[0]}" for file, label in rows_of(animals) if label == "ant"]
    table = write(tmp_path / "lists" / "a.csv", "where,name,letter", [*lines, "../bee/0.png,bee,b"])
    settings = {"picture_column": "where", "label_column": "letter", "root": "../animals/ant"}
    listing = list_source(f"csv:{table}", DataSettings(**settings))
    assert listing.classes == ("a", "b")
    assert Path(listing.parts["train"].names[10]).resolve() == animals / "bee/0.png"
    text = absolute(f"csv:{table}")
    assert list_source(text, DataSettings(**settings)).fingerprint == listing.fingerprint


def test_the_fingerprint_knows_files_labels_and_splits(animals: Path) -> None:
    rows = rows_of(animals)
    first = opened(write(animals / "a.csv", "file,label", [f"{f},{n}" for f, n in rows]))
    again = opened(write(animals / "b.csv", "label;path", [f"{n};{f}" for f, n in reversed(rows)]))
    assert again.fingerprint == first.fingerprint
    swapped = [f"{f},{'ant' if n == 'bee' else 'bee'}" for f, n in rows]
    assert opened(write(animals / "b.csv", "file,label", swapped)).fingerprint != first.fingerprint
    (animals / rows[0][0]).write_bytes((animals / rows[1][0]).read_bytes() + b" ")
    assert opened(animals / "a.csv").fingerprint != first.fingerprint


def test_all_faults_of_the_rows_are_found_at_once(animals: Path) -> None:
    lines = [f"{file},{label},train" for file, label in rows_of(animals)]
    lines += [f"gone{i}.png,ant,train" for i in range(9)]
    lines += ["ant/0.png,ant,train", "ant/1.png,bee,train", "ant/./2.png,ant,val"]
    lines += [",ant,train", "ant/3.png,,train", "ant/3.png,ant", "ant/3.png,ant,train,more", "bee/0.png,bee,later"]
    with pytest.raises(WorkError) as error:
        opened(write(animals / "a.csv", "file,label,split", lines))
    name = animals / "a.csv"
    assert [finding.removeprefix(f"{name}: ")[:90].split(": ")[:2] for finding in error.value.findings] == [
        ["wrong-row", "line 36 (2 cells, the header has 3), line 37 (4 cells, the header has 3)"],
        ["no-file", "line 34"],
        ["no-label", "line 35 (ant/3.png)"],
        ["unknown-split", "line 38 (later)"],
        ["missing-file", "line 22 (gone0.png), line 23 (gone1.png), line 24 (gone2.png), and 6 more"],
        ["two-labels", "line 32 (ant/1.png is bee, and ant in line 3)"],
        ["duplicate-row", "line 31 (ant/0.png, as line 2), line 33 (ant/./2.png, as line 4)"],
    ]
    report = check(f"csv:{name}", DataSettings(), workers=1)
    assert [finding.sentence() for finding in report.bad()] == list(error.value.findings)


def test_missing_files_are_left_out_if_wished(animals: Path) -> None:
    lines = [f"{file},{label}" for file, label in rows_of(animals)]
    whole = opened(write(animals / "a.csv", "file,label", lines))
    table = write(animals / "a.csv", "file,label", [*lines, "gone.png,ant"])
    source = opened(table, on_bad_image="skip")
    assert sum(map(len, source.splits.values())) == 20
    assert [note.kind for note in source.notes] == ["missing-file"]
    assert source.fingerprint != whole.fingerprint
    with pytest.raises(WorkError, match="no class; a classifier needs two"):
        opened(write(animals / "b.csv", "file,label", ["gone.png,ant"]), on_bad_image="skip")


def test_a_class_only_outside_train_cannot_be_learnt(animals: Path) -> None:
    lines = [f"{file},{label},train" for file, label in rows_of(animals)[:-1]] + ["bee/9.png,wasp,test"]
    with pytest.raises(WorkError, match=r"train rows of .*a\.csv do not have the classes wasp"):
        opened(write(animals / "a.csv", "file,label,split", lines))


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        (b"", {}, ["a.csv is empty"]),
        (b"file,label\n", {}, ["no rows below its header"]),
        (b"ant/0.png,ant\nant/1.png,ant\n", {}, ['no header: its first line is "ant/0.png,ant"']),
        (b"file,label\n\"ant/0.png,ant\n", {}, ["not a readable table: line 2"]),
        (b"file,label\nant/0.png,a\x81\n", {}, ["is not text (byte 22)"]),
        (b"a,b\n1,2", {"label_column": "x"}, ["no column of file names", "no column data.label_column = 'x'"]),
        (b"file,file\nx,y\n", {}, ["two columns called file"]),
        (b"path,image,label\nx,y,z\n", {}, ["has the columns path and image; choose one with --set data.picture_c"]),
        (b"a,b\nx,y\n", {}, ["file names with a usual name", "labels with a usual name"]),
        (b"file,label\nx,y\n", {"label_column": "lable"}, ["no column data.label_column = 'lable' (nearest: label)"]),
        (b"file,label\nx,y\n", {"root": "nowhere"}, ["data.root = 'nowhere': there is no folder"]),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_says_why(
    animals: Path, content: bytes, settings: dict[str, Any], words: list[str]
) -> None:
    (animals / "a.csv").write_bytes(content)
    with pytest.raises(CardinetError) as error:
        opened(animals / "a.csv", **settings)
    assert len(error.value.findings) == len(words)
    for finding, part in zip(error.value.findings, words, strict=True):
        assert part in finding


def test_settings_of_tables_are_refused_elsewhere(animals: Path) -> None:
    with pytest.raises(RequestError) as error:
        open_source(str(animals), DataSettings(label_column="x", root="y"))
    assert len(error.value.findings) == 2
    assert all(
        re.search(r"^data\.\w+ is for .*csv:FILE.*; .* does not read it\.$", one) for one in error.value.findings
    )


def test_a_prediction_takes_the_pictures_of_a_table(animals: Path) -> None:
    table = write(animals / "a.csv", "id", [file for file, _ in rows_of(animals)])
    found = picture_inputs(f"csv:{table}")
    assert [picture.name for picture in found] == [str(animals / file) for file, _ in rows_of(animals)]
    write(table, "id", ["ant/0.png", "gone.png"])
    with pytest.raises(RequestError, match=r"missing-file: line 3 \(gone.png\)"):
        picture_inputs(["csv:" + str(table)])
    write(animals / "lists" / "b.csv", "where", ["0.png", "1.png"])
    found = picture_inputs(f"csv:{animals}/lists/b.csv", picture_column="where", root="../bee")
    assert [picture.content for picture in found] == [animals / "lists/../bee/0.png", animals / "lists/../bee/1.png"]
