"""Parquet in Hugging Face's image layout: splits, class names, what is refused, and the file in the cache."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.data import arrow, kept_shards, parquet_shards
from cardinet.data.admission import admitted, without_pictures
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.parquet_shards import pieces_of
from cardinet.data.shards import shard_of_each
from cardinet.data.source import Source, open_source
from cardinet.data.statistics import channel_statistics
from data.pictures import noise

NAMES = ["ant", "bee", "cat"]


def write(
    path: Path, labels: list[Any], *, names: list[str] | None = None, size: int = 16, columns: str = "image label"
) -> Path:
    """A file of one picture for each label; the seeds of the pictures are their rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for row in range(len(labels)):
        file = io.BytesIO()
        noise(size, size, seed=row).save(file, "PNG")
        pictures.append({"bytes": file.getvalue(), "path": f"{row}.png"})
    first, second = columns.split()
    table = pa.table({first: pictures, second: labels})
    if names:
        feature = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": feature}})})
    pq.write_table(table, path, row_group_size=3)
    return path


def opened(path: Path, **settings: Any) -> Source:
    return open_source(f"parquet:{path}", DataSettings(**settings))


@pytest.mark.parametrize("place", ["train-00000-of-00002.parquet", "data/train-0.parquet", "x/train/0000.parquet"])
def test_splits_class_names_and_rows(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, [0, 1, 2, 0, 1, 2, 2], names=NAMES)
    write((tmp_path / place).with_name("train-b.parquet"), [1, 1], names=NAMES)
    write(tmp_path / "test-00000.parquet", [2, 0], names=NAMES)
    source = opened(tmp_path)
    assert source.classes == ("ant", "bee", "cat")
    train, test = source.splits["train"], source.splits["test"]
    assert sorted(train.labels.tolist()) == [0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert test.labels.tolist() == [2, 0]
    assert test.names[1] == "test-00000.parquet row 1"
    assert (source.small, source.size, source.channels) == (True, (16, 16), 3)
    assert test.images is not None
    assert np.array_equal(test.images[1].permute(1, 2, 0).numpy(), np.asarray(noise(16, 16, seed=1)))


def test_without_metadata_the_classes_are_numbers(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "all.parquet", [0, 1, 2] * 10, columns="img fine_label"))
    assert source.classes == ("0", "1", "2")
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 24, "validation": 3, "test": 3}


def test_pictures_too_large_for_memory_are_shards(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write(tmp_path / f"train-{number}.parquet", [0, 1] * 6, size=80)
    write(tmp_path / "test.parquet", [0, 1], size=80)
    plain = opened(tmp_path)
    monkeypatch.setattr(arrow, "IN_MEMORY", 0)
    (file,) = {piece.bytes for piece in pieces_of(tmp_path / "train-0.parquet", "image")}
    monkeypatch.setattr(parquet_shards, "PIECE", file * 0.9)  # two pieces of a file, of nine and of three rows
    limit = 2.3 * file / kept_shards.GIB
    found = opened(tmp_path, limit=20, shuffle_shards=2, shard_cache=limit)
    shards = shard_of_each(found.splits["train"].encoded)
    assert shards is not None
    assert set(shards) == set(range(6))
    rows = [name.split() for name in found.splits["train"].names]
    for place, (name, _, row) in enumerate(rows):
        index = 12 * int(name[6]) + int(row)
        assert found.splits["train"].picture(place).tobytes() == plain.splits["train"].picture(index).tobytes()
        assert shards[place] == 2 * int(name[6]) + (int(row) >= 9)
    assert found.fingerprint == plain.fingerprint
    folder = own_cache / "cardinet" / "shards"
    assert sum(kept.stat().st_size for kept in folder.iterdir()) <= limit * kept_shards.GIB
    with monkeypatch.context() as patch:  # the places of the pictures are known now
        patch.delattr(parquet_shards.ParquetShards, "make")
        patch.setattr(parquet_shards.ParquetShards, "__abstractmethods__", frozenset())
        settings = DataSettings(shuffle_shards=2, shard_cache=limit)
        assert list_source(f"parquet:{tmp_path}", settings).fingerprint == plain.fingerprint
    with pytest.raises(RequestError, match=r"data\.shuffle_shards = 4 shards need"):
        opened(tmp_path, shuffle_shards=4, shard_cache=limit)


def test_a_row_without_bytes_is_named_in_a_shard_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "IN_MEMORY", 0)
    path = write(tmp_path / "train.parquet", [0, 1, 0, 1], size=80)
    pictures = pq.read_table(path)["image"].to_pylist()
    pictures[1]["bytes"] = None
    pq.write_table(pa.table({"image": pictures, "label": [0, 1, 0, 1]}), path)
    write(tmp_path / "test.parquet", [0, 1], size=80)
    found = opened(tmp_path).splits["train"]
    with pytest.raises(WorkError, match=r"^train.parquet row 1: empty: the row holds no bytes"):
        found.picture(1)
    assert found.picture(2).size == (80, 80)


def test_unlabelled_test_pictures_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1])
    write(tmp_path / "test.parquet", [-1, -1])
    assert set(opened(tmp_path).splits) == {"train"}


def test_a_row_without_bytes_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "train.parquet", [0, 1], size=80)
    pictures = [{"bytes": None, "path": "gone.png"}, *pq.read_table(path)["image"].to_pylist()[1:]]
    table = pa.table({"image": pictures, "label": [0, 1]})
    pq.write_table(table, path)
    write(tmp_path / "test.parquet", [0, 1], size=80)
    with pytest.raises(WorkError, match=r"^train.parquet row 0: empty"):
        opened(tmp_path).splits["train"].picture(0)


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "set" / "train" / "0000.parquet", [0, 1, 0, 1])
    path = write(tmp_path / "set" / "test" / "0000.parquet", [0, 1, 1])
    pictures = pq.read_table(path)["image"].to_pylist()
    pictures[1]["bytes"] = pictures[1]["bytes"][:60]
    pq.write_table(pa.table({"image": pictures, "label": [0, 1, 1]}), path)
    settings = DataSettings(on_bad_image="skip")
    monkeypatch.chdir(tmp_path)
    source, findings = admitted(open_source("parquet:set", settings), settings)
    assert [(finding.name, finding.identity) for finding in findings] == [
        ("test/0000.parquet row 1", "test:test/0000.parquet row 1")
    ]
    again = without_pictures(opened(tmp_path / "set"), {finding.identity for finding in findings}, settings)
    for found in (source, again):
        assert list(found.splits["train"].names) == [f"train/0000.parquet row {i}" for i in range(4)]
        assert list(found.splits["test"].names) == ["test/0000.parquet row 0", "test/0000.parquet row 2"]
        assert found.splits["test"].labels.tolist() == [0, 1]
        images = found.splits["test"].images
        assert images is not None
        assert np.array_equal(images[1].permute(1, 2, 0).numpy(), np.asarray(noise(16, 16, seed=2)))


@pytest.mark.parametrize(
    ("columns", "labels", "words"),
    [
        ("photo label", [0, 1], "no column of pictures"),
        ("image kind", [0, 1], "no column of labels"),
        ("image label", [0.5, 1.5], r"not labels \(integers or names\)"),
        ("label image", [0, 1], "not pictures"),
        ("image label", [0, 0], "only one class"),
        ("image label", [0, -1, 1], "wrong-label"),
    ],
)
def test_what_is_refused(tmp_path: Path, columns: str, labels: list[Any], words: str) -> None:
    with pytest.raises(WorkError, match=words):
        opened(write(tmp_path / "train.parquet", labels, columns=columns))


def test_files_that_are_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"holds no .parquet files"):
        opened(tmp_path)
    (tmp_path / "train.parquet").write_text("not parquet")
    with pytest.raises(WorkError, match="not a readable parquet file"):
        opened(tmp_path)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.parquet")
    (tmp_path / "test.parquet").mkdir()  # what is in it counts, as other tools write it
    for place in ("train.parquet", "/dev/zero"):
        with pytest.raises(
            RequestError, match=f"{place} is not a regular file; give a parquet file or a folder of them"
        ):
            opened(tmp_path / place)
    with pytest.raises(WorkError, match=r"train.parquet is not a regular file; remove it\."):
        opened(tmp_path)


@pytest.mark.long
@pytest.mark.shared
def test_cifar_10_has_its_official_statistics(shared: Path) -> None:
    source = opened(shared / "data" / "cifar10")
    assert source.classes[:3] == ("airplane", "automobile", "bird")
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 50000, "test": 10000}
    assert np.bincount(source.splits["train"].labels).tolist() == [5000] * 10
    mean, std = channel_statistics(source.splits["train"])
    assert [round(m, 4) for m in mean] == [0.4914, 0.4822, 0.4465]
    assert [round(s, 4) for s in std] == [0.2470, 0.2435, 0.2616]
    images = source.splits["test"].images
    assert images is not None
    assert images.dtype == torch.uint8
    assert images.shape == (10000, 3, 32, 32)
