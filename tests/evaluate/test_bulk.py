"""Predictions as folders of shards: each picture once, in order, whatever was stopped, and no other request's rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from cardinet.base.errors import RequestError, WorkError
from cardinet.build.builder import build
from cardinet.cli.main import outcome
from cardinet.data.data_settings import DataSettings
from cardinet.data.ordered_pictures import identity, ordered_pictures, whole
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import open_source
from cardinet.engines.engine import OneProcess
from cardinet.evaluate.bulk import BulkResult, Watcher, predict_in_shards
from cardinet.evaluate.prediction_request import Request, resolve
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model, save_model
from cardinet.runs.shard_folder import MANIFEST

COUNT = 23


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two model files that differ only in their weights: model.safetensors and other.safetensors."""
    root = tmp_path_factory.mktemp("models")
    spec = find("resnext11_8x16d_digits").spec.but(num_classes=3, in_channels=3)
    how = Preprocessing(channels=3, resize=None, crop=8, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    for seed, name in enumerate(("model", "other")):
        torch.manual_seed(seed)
        save_model(root / f"{name}.safetensors", Model(build(spec).eval(), spec, ("a", "b", "c"), how))
    return root


def encoded(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 pictures without labels in two parquet files of several row groups; number 5 is damaged, 9 is null."""
    root = tmp_path_factory.mktemp("rows")
    cells: list[dict[str, Any] | None] = [{"bytes": encoded(i), "path": None} for i in range(COUNT)]
    cells[5] = {"bytes": b"no picture", "path": None}
    cells[9] = None
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for number, part in enumerate((cells[:14], cells[14:])):
        pq.write_table(pa.table({"image": pa.array(part, kind)}), root / f"{number}.parquet", row_group_size=4)
    return root


@pytest.fixture
def request_for(models: Path, source: Path, tmp_path: Path) -> Callable[..., Request]:
    def make(**changes: Any) -> Request:
        plain = Request(
            model=models / "model.safetensors",
            pictures=(f"parquet:{source}",),
            out=f"parquet:{tmp_path / 'answers'}",
            shard_rows=4,
            top=2,
            batch_size=3,
            workers=1,
        )
        return replace(plain, **changes)

    return make


def made(request: Request, watcher: Watcher | None = None) -> BulkResult:
    return predict_in_shards(resolve(request), watcher or Watcher())


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder).to_pylist()  # skips the manifest
    return found


class Stopped(Exception):
    pass


class StopsAfter(Watcher):
    """Stops the work once so many pictures are done, as a kill between two shards does."""

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures

    def progress(self, done: int, total: int) -> None:
        if done >= self.pictures:
            raise Stopped


def test_each_picture_has_one_row_in_order(request_for: Callable[..., Request], source: Path, tmp_path: Path) -> None:
    request = request_for()
    assert made(request) == BulkResult(COUNT, 2, 0)
    found = rows(tmp_path / "answers")
    assert [row["path"] for row in found] == [
        f"{0 if i < 14 else 1}.parquet row {i if i < 14 else i - 14}" for i in range(COUNT)
    ]
    assert [i for i, row in enumerate(found) if row["problem"]] == [5, 9]
    assert "the row holds no bytes" in found[9]["problem"]
    model = resolve(request).model
    for i in (0, 13, 14, 22):
        expected = model.predict(encoded(i), top=2)
        assert (found[i]["predicted"], found[i]["class_2"]) == expected.classes
        assert [found[i]["probability"], found[i]["probability_2"]] == pytest.approx(expected.probabilities, rel=1e-5)
    table = pq.read_table(tmp_path / "answers")
    assert table.schema.field("probability").type == pa.float64()
    assert {path.name for path in (tmp_path / "answers").iterdir()} == {
        MANIFEST,
        ".lock",
        *(f"part-{i:05d}.parquet" for i in range(6)),
    }


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_stopped_work_goes_on_and_makes_no_shard_again(
    request_for: Callable[..., Request], tmp_path: Path, form: str
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    made(request_for(out=f"{form}:{one}"))
    request = request_for(out=f"{form}:{other}")
    with pytest.raises(Stopped):
        made(request, StopsAfter(8))
    (other / f".part-00002.{form}.0000.part").write_text("of a killed process")
    there = {path: path.stat().st_mtime_ns for path in other.glob("part-*")}
    assert len(there) == 2
    assert made(request) == BulkResult(COUNT, 2, 8)
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert made(request) == BulkResult(COUNT, 2, COUNT)
    files = sorted(path.name for path in one.glob("[!.]*"))
    assert files == sorted(path.name for path in other.glob("[!.]*"))
    assert len(files) == 7
    for name in files:
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert not list(other.glob("*.part"))


def test_the_shards_as_csv_are_the_table(request_for: Callable[..., Request], tmp_path: Path) -> None:
    made(request_for(out=f"csv:{tmp_path / 'answers'}"))
    made(request_for(out=f"parquet:{tmp_path / 'columns'}"))
    found = []
    for path in sorted((tmp_path / "answers").glob("part-*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            found += list(csv.DictReader(file))
    assert len(found) == COUNT
    for text, typed in zip(found, rows(tmp_path / "columns"), strict=True):
        assert text == {name: "" if cell is None else str(cell) for name, cell in typed.items()}


CHANGES: dict[str, dict[str, Any]] = {
    "the number of rows of a shard": {"shard_rows": 5},
    "the number of classes": {"top": 1},
    "the setting pixel_limit": {"words": ("pixel_limit=64",)},
}


@pytest.mark.parametrize("words", [*CHANGES, "the model", "the number of pictures", "the form"])
def test_another_request_is_refused_and_the_difference_is_named(
    request_for: Callable[..., Request], models: Path, source: Path, tmp_path: Path, words: str
) -> None:
    with pytest.raises(Stopped):
        made(request_for(), StopsAfter(4))
    places: dict[str, dict[str, Any]] = {
        "the model": {"model": models / "other.safetensors"},
        "the number of pictures": {"pictures": (f"parquet:{source / '0.parquet'}",)},
        "the form": {"out": f"csv:{tmp_path / 'answers'}"},
    }
    changes = {**CHANGES, **places}[words]
    before = {path.name: path.read_bytes() for path in (tmp_path / "answers").iterdir()}
    with pytest.raises(RequestError, match=f"begun with another request: .*{words}"):
        resolve(request_for(**changes))
    assert {path.name: path.read_bytes() for path in (tmp_path / "answers").iterdir()} == before
    assert made(request_for(batch_size=5, workers=0)).kept == 4  # these change no answer


def test_other_folders_and_damaged_shards_are_refused(request_for: Callable[..., Request], tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "mine.txt").write_text("x")
    with pytest.raises(RequestError, match="is not a prediction that can go on"):
        resolve(request_for())
    (folder / "mine.txt").unlink()
    made(request_for())
    (folder / "part-00001.parquet").write_bytes((folder / "part-00005.parquet").read_bytes())  # 3 rows
    (folder / "part-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(WorkError) as error:
        made(request_for())
    assert [finding.count("remove it, and it is made again") for finding in error.value.findings] == [1, 1]
    (folder / MANIFEST).write_text(json.dumps({"document": "cardinet predictions"}))
    with pytest.raises(WorkError, match=f"{MANIFEST} is damaged"):
        resolve(request_for())


@pytest.mark.long
def test_any_source_is_read_from_any_place(models: Path, tmp_path: Path) -> None:
    """Files, a pattern, a table, built-in pictures and parquet, alone and one after the other."""
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(encoded(i))
    (tmp_path / "table.csv").write_text("file\n3.png\n1.png\n")
    texts = [str(tmp_path / "4.png"), f"csv:{tmp_path / 'table.csv'}", "digits", str(tmp_path / "[01].png")]
    found = ordered_pictures(texts, DataSettings())
    names = [picture.name for picture in whole(found)]
    assert names[:3] == [str(tmp_path / f"{i}.png") for i in (4, 3, 1)]
    assert names[-2:] == [str(tmp_path / f"{i}.png") for i in (0, 1)]
    assert len(names) == len(found) == 3 + 1797 + 2
    assert [picture.name for picture in found.read(2, 5)] == names[2:5]
    assert [picture.name for picture in found.read(1799, 1802)] == names[1799:]
    assert next(found.read(3, 4)).image(100).size == (8, 8)
    turned = ordered_pictures(texts[::-1], DataSettings())
    assert identity(found) == identity(ordered_pictures(texts, DataSettings())) != identity(turned)


def test_wrong_requests_have_all_findings(request_for: Callable[..., Request], source: Path, tmp_path: Path) -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"split": "train"}, "has no such split"),
        ({"out": "parquet:"}, "^--out parquet: names no folder; write --out parquet:answers.$"),
        ({"out": "orc:x"}, "parquet:DIR"),
        ({"out": None}, "--shard-rows is for a folder"),
        ({"out": f"csv:{source / '0.parquet' / 'x'}"}, "is not a folder"),
        ({"pictures": ("parquet:nowhere", "digits:x", "nothing.png")}, "nowhere"),
    )
    for changes, words in wrong:
        with pytest.raises(RequestError, match=words):
            resolve(request_for(**changes))


def test_an_engine_takes_an_item_when_the_last_is_done() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(3):
            taken.append(i)
            yield i

    told: list[tuple[int, object]] = []

    def square(item: int, tell: Callable[[object], None]) -> int:
        tell("half")
        return item * item

    for place, (item, result) in enumerate(OneProcess().each(lambda: square, items(), lambda *what: told.append(what))):
        assert (item, result, taken) == (place, place**2, list(range(place + 1)))
    assert told == [(0, "half"), (1, "half"), (2, "half")]


def test_the_command(
    request_for: Callable[..., Request], models: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = str(models / "model.safetensors"), f"parquet:{tmp_path / 'answers'}"
    words = ["predict", model, f"parquet:{source}", "--device", "cpu", "--out", out, "--shard-rows", "4", "--top", "2"]
    assert outcome(words) == 1  # two pictures cannot be used
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'answers'}\n"
    assert said.err.count("cannot be used") == 2
    assert "2 of 23 pictures could not be used." in said.err
    assert outcome([*words, "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"out": str(tmp_path / "answers"), "pictures": COUNT, "unusable": 2}
    assert "23 of 23 rows were there already." in said.err
    assert outcome(["predict", model, "digits", "--split", "test", "--top", "1"]) == 0
    paths = [json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()]
    assert paths == list(open_source("digits", DataSettings()).splits["test"].names)
    assert len(paths) == 360
