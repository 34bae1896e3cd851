"""Runs on shards, crashed and resumed, end in the same bits: tar in files, tar on a failing server, large parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cardinet.data import arrow
from cardinet.data.data_settings import DataSettings
from cardinet.data.parquet_shards import pieces_of
from cardinet.data.shards import shard_of_each
from cardinet.data.source import open_source
from cardinet.evaluate.job import evaluate_model
from cardinet.remote import files
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.weights.read_file import read_tensors
from data.tar_shards import picture, served, write_shards
from train.runs_to_compare import PHOTOGRAPHS, as_bytes, differences, train
from train.test_exact_resume import Crash, Stopper

pytestmark = pytest.mark.long

RUN: dict[str, Any] = {
    **PHOTOGRAPHS,
    "depths": [1, 1, 1],
    "widths": [4, 8, 16],
    "stem.width": 4,
    "shuffle_shards": 2,
    "length": "24 steps",
}
CRASH = 22  # after an evaluation, which saves, and in the second of three epochs of 12 steps
SHARDS = 6


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Six shards of 8 pictures for training and two of 5 for validation, with names that sort alike."""
    write_shards(tmp_path / "set", "train", shards=SHARDS, samples=8)
    return write_shards(tmp_path / "set", "val", shards=2, samples=5)


@pytest.fixture(params=["files", "server", "parquet"])
def source(
    request: pytest.FixtureRequest, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The settings of a source of each kind; a cache holds four shards of the eight."""
    if request.param == "files":
        yield {"source": f"webdataset:{shards}"}
    elif request.param == "server":
        monkeypatch.setattr(files, "FIRST_WAIT", 0.005)
        size = max(path.stat().st_size for path in shards.iterdir())
        with served(shards) as server:
            for number in range(SHARDS):
                server.faults[f"train-{number:03d}.tar"] = ["503", "cut"]
            text = f"{server.address}/{{train-{{000..005}},val-{{000..001}}}}.tar"
            yield {"source": f"webdataset:{text}", "shard_cache": 4.2 * size / 2**30}
            assert all(len(asked) > 2 for asked in server.asked.values() if len(asked) != 1)
    else:
        monkeypatch.setattr(arrow, "IN_MEMORY", 0)
        root = tmp_path / "rows"
        root.mkdir()
        for split, count, rows in (("train", SHARDS, 8), ("validation", 2, 5)):
            for number in range(count):
                places = range(number * rows, (number + 1) * rows)
                cells = [{"bytes": picture(i, width=10 + i % 5), "path": None} for i in places]
                table = pa.table({"image": cells, "label": [i % 2 for i in places]})
                pq.write_table(table, root / f"{split}-{number}.parquet")
        most = max(piece.bytes for path in root.iterdir() for piece in pieces_of(path, "image"))
        yield {"source": f"parquet:{root}", "shard_cache": 4.2 * most / 2**30}


def test_a_crashed_run_goes_on_exactly(source: dict[str, Any], shards: Path, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", {**RUN, **source, "workers": 0})
    with pytest.raises(Crash):
        train(tmp_path / "run", {**RUN, **source, "workers": 2}, Stopper(CRASH, "crash"))
    resume(tmp_path / "run", Listener())
    assert differences(whole.path, tmp_path / "run") == []
    local = train(tmp_path / "local", {**RUN, "source": f"webdataset:{shards}", "workers": 0})
    trained, same = (as_bytes(read_tensors(run.path / "model.safetensors")) for run in (whole, local))
    assert trained == same  # the kind of the source decides nothing
    measured = evaluate_model(whole.path, source["source"])
    assert measured.count == 10


def test_a_part_of_shards_is_read_in_their_order(shards: Path, tmp_path: Path) -> None:
    settings = DataSettings(folds=4, fold=2, limit=20)
    for split in open_source(f"webdataset:{shards}", settings).splits.values():
        numbers = shard_of_each(split.encoded)
        assert numbers is not None
        assert numbers.tolist() == sorted(numbers)
    run = train(tmp_path / "run", {**RUN, "source": f"webdataset:{shards}", "folds": 4, "fold": 2, "limit": 20})
    assert run.path.is_dir()
