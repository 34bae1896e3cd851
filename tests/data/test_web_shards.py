"""Tar shards on web servers: what is fetched, kept and resumed, and servers with faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.data import kept_shards
from cardinet.data.batches import TrainBatches
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.kinds.shard_sets import open_shards
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import Source, open_source
from cardinet.remote import files
from cardinet.remote.files import fetch, look_at
from data.streams import take
from data.tar_shards import Server, served, waited, write_shards

COLOUR = Preprocessing(channels=3, resize=10, crop=8, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
SHARDS = 6


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STALL", 0.15)
    monkeypatch.setattr(files, "FIRST_WAIT", 0.005)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_shards(tmp_path / "set", shards=SHARDS, samples=8)
    with served(tmp_path / "set") as found:
        yield found


def text(server: Server) -> str:
    return f"webdataset:{server.address}/train-{{000..{SHARDS - 1:03d}}}.tar"


def opened(server: Server, **settings: Any) -> Source:
    return open_source(text(server), DataSettings(**settings))


def kept(own_cache: Path) -> list[Path]:
    return sorted((own_cache / "cardinet" / "shards").glob("*"))


def test_the_same_pictures_as_from_files(server: Server) -> None:
    there, here = opened(server), open_source(f"webdataset:{server.root}", DataSettings())
    assert there.fingerprint == here.fingerprint
    for split, part in here.splits.items():
        found = there.splits[split]
        assert list(found.names) == list(part.names)
        assert found.labels.tolist() == part.labels.tolist()
        for i in range(len(part)):
            assert np.array_equal(np.asarray(found.picture(i)), np.asarray(part.picture(i)))
    assert {len(asked) for asked in server.asked.values()} == {1}
    server.asked.clear()
    opened(server)
    assert not server.asked  # the indexes are kept


def test_class_names_lie_beside_the_shards(server: Server) -> None:
    (server.root / "names.txt").write_text("ant\nbee\n")
    assert opened(server, class_names="names.txt").classes == ("ant", "bee")


@pytest.mark.parametrize(
    ("faults", "ranges", "parts"),
    [
        (["503", "503"], True, ["", "", ""]),
        (["cut"], True, ["", "bytes="]),
        (["cut", "503", "cut"], True, ["", "bytes=", "bytes=", "bytes="]),
        (["stall"], True, ["", "bytes="]),
        (["cut", "cut"], False, ["", "bytes=", "bytes="]),
    ],
)
def test_a_server_that_fails_for_a_while(
    server: Server, tmp_path: Path, faults: list[str], ranges: bool, parts: list[str]
) -> None:
    server.ranges, server.faults["train-000.tar"] = ranges, faults
    file = look_at(f"{server.address}/train-000.tar")
    fetch(file, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == (server.root / "train-000.tar").read_bytes()
    asked = server.asked["train-000.tar"]
    assert [part[: len(start)] for part, start in zip(asked, parts, strict=True)] == parts
    if ranges:
        assert server.sent == file.size  # no byte twice


LASTING: dict[str, tuple[list[str], str]] = {
    "away": (["503"] * 20, r"HTTP 503 .*\(6 tries without a new byte in \d s\)\. Try again when the server answers"),
    "gone": (["404"], "HTTP 404"),
    "stalled": (["stall"] + ["503"] * 20, r"1,234 bytes|bytes have come and are kept"),
}


@pytest.mark.parametrize("how", LASTING)
def test_a_server_that_fails_for_good(server: Server, how: str) -> None:
    faults, words = LASTING[how]
    server.faults["train-002.tar"] = [*faults, *faults]  # they are asked for by a thread, and then awaited
    with pytest.raises(WorkError, match=words) as error:
        opened(server)
    assert f"{server.address}/train-002.tar cannot be read: " in str(error.value)
    assert len(error.value.findings) == 1
    server.faults.clear()
    assert sum(map(len, opened(server).splits.values())) == SHARDS * 8
    assert len(LASTING) == 3


def test_shards_that_are_not_there_are_all_named(server: Server) -> None:
    for name in ("train-001.tar", "train-004.tar"):
        (server.root / name).unlink()
    with pytest.raises(WorkError) as error:
        opened(server)
    assert [finding.split("/")[-1] for finding in error.value.findings] == [
        f"train-00{i}.tar cannot be read: HTTP 404 Not Found." for i in (1, 4)
    ]


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "TRIES", 2)
    with pytest.raises(WorkError, match=r"http://127\.0\.0\.1:9/a\.tar cannot be read: .*refused \(2 tries"):
        open_source("webdataset:http://127.0.0.1:9/a.tar", DataSettings())


def test_a_server_without_head_requests(server: Server) -> None:
    server.head = False
    assert look_at(f"{server.address}/train-000.tar").size == (server.root / "train-000.tar").stat().st_size


@pytest.mark.parametrize("ranges", [True, False])
def test_a_shard_that_changes_meanwhile_is_not_mixed(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    file = look_at(f"{server.address}/train-000.tar")
    server.faults["train-000.tar"] = ["cut", "503"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "TRIES", 1)
        with pytest.raises(WorkError):
            fetch(file, tmp_path / "got")
    write_shards(server.root, shards=1, samples=9)
    with pytest.raises(WorkError, match="the file has changed since it was opened"):
        fetch(file, tmp_path / "got")


def test_a_cut_shard_is_a_finding_with_its_key(server: Server) -> None:
    path = server.root / "train-003.tar"
    path.write_bytes(path.read_bytes()[:-11_000])
    report = check(text(server), DataSettings())
    (bad,) = report.bad()
    assert bad.kind == "truncated"
    assert "train-003.tar/000" in bad.detail


def test_the_cache_keeps_what_the_limit_allows(server: Server, own_cache: Path) -> None:
    size = (server.root / "train-000.tar").stat().st_size
    places = [f"{server.address}/train-{i:03d}.tar" for i in range(SHARDS)]
    limit = 3.2 * size / kept_shards.GIB
    shards = open_shards(places, together=2, cache=limit)
    for number in range(SHARDS):
        shards.files.path(number)
        assert sum(file.stat().st_size for file in kept(own_cache)) <= limit * kept_shards.GIB
    assert len(kept(own_cache)) == 3
    server.asked.clear()
    for number in (3, 4, 5, 0):
        assert shards.files.path(number).read_bytes() == (server.root / f"train-{number:03d}.tar").read_bytes()
    assert [*server.asked] == ["train-000.tar"]
    with pytest.raises(RequestError, match=r"data\.shuffle_shards = 4 shards need .* GiB; give data\.shard_cache=1"):
        open_shards(places, together=4, cache=limit)


def test_shards_are_fetched_ahead_as_far_as_the_limit_allows(server: Server, own_cache: Path) -> None:
    size = (server.root / "train-000.tar").stat().st_size
    places = [f"{server.address}/train-{i:03d}.tar" for i in range(SHARDS)]
    shards = open_shards(places, together=2, cache=3.2 * size / kept_shards.GIB)
    shards.files.expect([4, 1, 0, 5])
    assert waited(lambda: len(kept(own_cache)) == 3 and not any(f.name.startswith(".") for f in kept(own_cache)))
    assert [*server.asked] == ["train-004.tar", "train-001.tar", "train-000.tar"]
    shards.files.expect([0, 5])
    assert waited(lambda: len(server.asked) == 4)
    assert shards.files.path(0).exists()
    assert len(server.asked["train-000.tar"]) == 1


def test_many_readers_fetch_a_shard_once(server: Server) -> None:
    shards = open_shards([f"{server.address}/train-000.tar"], together=1, cache=1.0)
    server.faults["train-000.tar"] = ["cut"]
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(shards.files.path(0))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(server.asked["train-000.tar"]) == 2  # the cut one, and its rest
    assert [path.name for path in found[0].parent.iterdir()] == [found[0].name]


def test_training_goes_on_from_any_step_with_a_small_cache(server: Server, own_cache: Path) -> None:
    size = (server.root / "train-000.tar").stat().st_size
    settings = {"shard_cache": 3.2 * size / kept_shards.GIB, "shuffle_shards": 2}

    def batches(source: Source) -> TrainBatches:
        sampling = Sampling(1, 8, window=2)
        return TrainBatches(source.splits["train"], COLOUR, {}, sampling=sampling, workers=0, device="cpu")

    local = open_source(f"webdataset:{server.root}", DataSettings())
    whole = take(batches(local), 12)
    for start in (0, 5):
        for a, b in zip(take(batches(opened(server, **settings)), 12 - start, start), whole[start:], strict=True):
            assert a.index.tolist() == b.index.tolist()
            assert (a.pixels == b.pixels).all()
    assert sum(file.stat().st_size for file in kept(own_cache)) <= 3.2 * size


def test_the_check_is_kept_although_the_shards_are_gone(server: Server, own_cache: Path) -> None:
    assert check(text(server), DataSettings()).from_cache == 0
    for file in kept(own_cache):
        file.unlink()
    server.asked.clear()
    assert check(text(server), DataSettings()).from_cache == SHARDS * 8
    assert not server.asked
    assert len(list_source(text(server)).parts["train"]) == SHARDS * 8
