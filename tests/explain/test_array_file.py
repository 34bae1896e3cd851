"""`--arrays`: the raw values of an answer, written and read back by the programs that they are for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.version import __version__
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.explain.answer import Answer
from cardinet.explain.array_file import WRITERS, check_array_file, write_arrays
from cardinet.explain.job import answer, document
from cardinet.explain.questions import QUESTIONS, settings_of
from cardinet.explain.request import Request, resolve
from cardinet.networks.registry import find
from explain.models import classifier

RESNEXT = find("resnext11_8x16d_digits").spec
WORDS: dict[str, tuple[str, ...]] = {
    "embed": ("map=none", "shown=0", "mapped=20", "neighbours=2"),
    "cardinality": ("pictures=12",),
    "cam": ("pictures=2",),
}
"""By question that has arrays: settings that make it quick."""


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(limit=40))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays of a file and its document, as numpy and pyarrow read them, without a pickle."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop("cardinet")))
    table = pq.read_table(path)
    arrays = {name: np.array(table[name].to_pylist()) for name in table.column_names}
    return arrays, json.loads(table.schema.metadata[b"cardinet"])


def same(found: Any, expected: Any) -> bool:
    """Whether two arrays are equal, NaN being equal to NaN."""
    return bool(np.array_equal(found, expected, equal_nan=np.asarray(expected).dtype.kind == "f"))


@pytest.fixture(scope="module")
def answers(digits: Source) -> dict[str, tuple[Request, dict[str, Any], Answer]]:
    """The answers to the questions with arrays, whose first class has a name that is not Unicode."""
    model = classifier(RESNEXT)
    classes = ("caf\udce9", *model.classes[1:])
    found = {}
    for question, words in WORDS.items():
        pictures = replace(digits, classes=classes)
        request = Request(question=question, model=replace(model, classes=classes), data=pictures, words=words)
        asked = resolve(request)
        made = answer(asked)
        found[question] = (request, document(asked, made), made)
    return found


FILES = [
    (question, ending)
    for question in WORDS
    for ending in WRITERS
    if ending == ".npz" or QUESTIONS[question].load().ARRAYS == "table"
]


def test_number_of_files() -> None:
    assert len(FILES) == 5


@pytest.mark.parametrize(("question", "ending"), FILES)
def test_arrays_are_read_back_as_they_were(
    answers: dict[str, tuple[Request, dict[str, Any], Answer]], tmp_path: Path, question: str, ending: str
) -> None:
    _, about, found = answers[question]
    path = tmp_path / f"raw{ending}"
    write_arrays(path, found.arrays, about)
    arrays, read_about = read(path)
    assert list(arrays) == list(found.arrays)
    assert len(arrays) >= 8
    for name, expected in found.arrays.items():
        if name in ("class", "predicted"):
            assert arrays[name].tolist() == ["caf\\udce9" if text == "caf\udce9" else text for text in expected]
        else:
            assert same(arrays[name], expected), name
    assert "caf\\udce9" in arrays["class"]
    versions = read_about.pop("versions")
    assert read_about.pop("schema") == 1
    assert (versions["cardinet"], versions["numpy"]) == (__version__, np.__version__)
    assert (read_about["question"], read_about["data"], read_about["split"]) == (question, "digits", "test")
    assert read_about == json.loads(json.dumps(about))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_table_keeps_its_types(answers: dict[str, tuple[Request, dict[str, Any], Answer]], tmp_path: Path) -> None:
    _, about, found = answers["embed"]
    maps = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_arrays(tmp_path / "maps.parquet", {"path": np.array(["a", "b"]), "maps": maps}, about)
    table = pq.read_table(tmp_path / "maps.parquet")
    assert str(table.schema.field("maps").type).count("fixed_size_list") == 2
    assert np.array_equal(np.array(table["maps"].to_pylist()), maps)
    write_arrays(tmp_path / "features.parquet", found.arrays, about)
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "features.parquet")}
    assert (types["path"], types["label"], types["probability"]) == ("string", "int64", "double")


def test_the_arrays_of_cardinality_give_its_figures(
    answers: dict[str, tuple[Request, dict[str, Any], Answer]],
) -> None:
    _, about, found = answers["cardinality"]
    arrays = found.arrays
    assert len(about["units"]) == 3
    assert about["whole"] == pytest.approx({"error": arrays["wrong"].mean(), "loss": arrays["loss"].mean()})
    for unit in about["units"]:
        loss, name = arrays[f"{unit['unit']}.loss"], unit["unit"]
        assert loss.shape == (8, 12) == arrays[f"{name}.wrong"].shape
        assert unit["loss"] == pytest.approx((loss - arrays["loss"]).mean(1))
        assert unit["similarity"] == arrays[f"{name}.similarity"].tolist()
        wrong = arrays[f"{name}.wrong"].astype(float) - arrays["wrong"]
        assert unit["error_spread"] == pytest.approx(wrong.std(1, ddof=1) / 12**0.5)


def test_a_broken_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "raw.npz"
    with pytest.raises(TypeError, match="pickle"):
        write_arrays(path, {"x": np.array([None])}, {})

    def full(path: Path, **arrays: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(WorkError, match=r"raw\.npz could not be written: No space left on device\."):
        write_arrays(path, {"x": np.zeros(3)}, {})
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    path.write_text("somebody else's")
    with pytest.raises(WorkError, match="another program has made it in the meantime"):
        write_arrays(path, {"x": np.zeros(3)}, {})
    assert path.read_text() == "somebody else's"


SHAPES = {name: row.load().ARRAYS for name, row in QUESTIONS.items()}


def test_the_questions_with_arrays_are_tried_here() -> None:
    assert {name for name, shape in SHAPES.items() if shape != "none"} == set(WORDS)
    assert len(SHAPES) == 11


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_listing_of_a_question_says_which_files_it_can_write(question: str) -> None:
    example = settings_of(question).example
    assert ("--arrays" in example, ".parquet" in example) == (SHAPES[question] != "none", SHAPES[question] == "table")


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_wrong_file_is_refused_before_work(question: str, tmp_path: Path) -> None:
    shape = SHAPES[question]
    if shape == "none":
        with pytest.raises(RequestError, match=f'"{question}" has no arrays, --json prints .* omit --arrays'):
            check_array_file(tmp_path / "a.npz", question, shape)
        return
    (tmp_path / "there.npz").write_text("mine")
    check_array_file(tmp_path / "a.npz", question, shape)
    with pytest.raises(RequestError, match="exists; name a file that does not"):
        check_array_file(tmp_path / "there.npz", question, shape)
    allowed = r"\.npz or \.parquet" if shape == "table" else r"\.npz"
    with pytest.raises(RequestError, match=rf"a\.csv cannot hold arrays; end its name with {allowed}\."):
        check_array_file(tmp_path / "a.csv", question, shape)
    if shape == "table":
        check_array_file(tmp_path / "a.parquet", question, shape)
    else:
        with pytest.raises(RequestError, match=r"different numbers of rows; end its name with \.npz"):
            check_array_file(tmp_path / "a.parquet", question, shape)
