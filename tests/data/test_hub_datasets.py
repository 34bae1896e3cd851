"""`hf:NAME` against a Hub on this machine: files, parts, revisions, converted sets, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import absolute, hub_datasets
from cardinet.data.ordered_pictures import ordered_pictures
from cardinet.data.source import Source, open_source
from cli.hub_server import TOKEN, HubServer, Repo, served
from cli.test_push_command import ask
from data.test_parquet_sources import NAMES, write


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with served() as server:
        ask(server.address, monkeypatch)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Two train files and a test file, as the Hub's data sets have them."""
    write(tmp_path / "set" / "data" / "train-00000-of-00002.parquet", [0, 1, 2, 0, 1], names=NAMES)
    write(tmp_path / "set" / "data" / "train-00001-of-00002.parquet", [2, 2, 1], names=NAMES)
    write(tmp_path / "set" / "data" / "test-00000-of-00001.parquet", [1, 0, 2], names=NAMES)
    root = tmp_path / "set"
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}
    return {**found, "README.md": b"pictures", "notes.csv": b"1"}


def put(hub: HubServer, name: str, files: dict[str, bytes], branch: str = "main") -> None:
    hub.repos.setdefault(name, Repo()).branches[branch] = [("init", {}), ("add", files)]


def opened(text: str) -> Source:
    return open_source(text, DataSettings())


def test_a_data_set_of_the_hub_is_that_of_its_files(
    hub: HubServer, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(hub, "me/pets", files)
    other = opened(f"parquet:{tmp_path / 'set'}")
    source = opened("hf:me/pets")
    assert (source.text, source.classes) == ("hf:me/pets", ("ant", "bee", "cat"))
    assert absolute("hf:me/pets") == "hf:me/pets"
    assert source.fingerprint == other.fingerprint
    for split, pictures in other.splits.items():
        mine = source.splits[split]
        assert mine.labels.tolist() == pictures.labels.tolist()
        assert mine.images is not None
        assert pictures.images is not None
        assert mine.images.equal(pictures.images)
    write(tmp_path / "set" / "data" / "test-00000-of-00001.parquet", [-1, -1, -1, -1], names=NAMES)
    content = (tmp_path / "set" / "data" / "test-00000-of-00001.parquet").read_bytes()
    put(hub, "me/blind", {**files, "data/test-00000-of-00001.parquet": content})  # its test pictures have no labels
    assert set(opened("hf:me/blind").splits) == {"train"}
    assert len(ordered_pictures(["hf:me/blind"], DataSettings(), "test")) == 4
    assert len(ordered_pictures(["hf:me/blind"], DataSettings())) == 8 + 4
    hub.requests[:] = [request for request in hub.requests if "blind" not in request]
    fetched = [request for request in hub.requests if request.startswith("GET") and "resolve" in request]
    assert sorted(request.rsplit("/", 1)[1] for request in fetched) == [
        "test-00000-of-00001.parquet",
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    monkeypatch.setattr(hub_datasets, "hub_address", lambda library: (hub.address, "no network"))
    assert opened("hf:me/pets").fingerprint == source.fingerprint
    (cached,) = (tmp_path / "hub" / "datasets--me--pets").rglob("train-00001-of-00002.parquet")
    cached.unlink()
    with pytest.raises(WorkError, match=r"not all in the local cache|only partly in the local cache"):
        opened("hf:me/pets")
    with pytest.raises(WorkError, match="its files are not all in the local cache"):
        opened("hf:me/others")


def test_parts_revisions_and_converted_sets(hub: HubServer, files: dict[str, bytes]) -> None:
    train = files["data/train-00000-of-00002.parquet"]
    test = files["data/test-00000-of-00001.parquet"]
    put(hub, "me/two", {f"{part}/{name}": data for part in ("large", "small") for name, data in files.items()})
    with pytest.raises(RequestError, match="has the parts large, small; choose one: hf:me/two/large"):
        opened("hf:me/two")
    assert len(opened("hf:me/two/small").splits["train"]) == 8
    with pytest.raises(RequestError, match=r"no part tiny \(known: large, small\)"):
        opened("hf:me/two/tiny")
    put(hub, "me/zip", {"pictures.zip": b"1"})
    put(hub, "me/zip", {"default/train/0000.parquet": train, "default/test/0000.parquet": test}, "refs/convert/parquet")
    assert {name: len(split) for name, split in opened("hf:me/zip").splits.items()} == {"train": 5, "test": 3}
    put(hub, "me/old", files)
    put(hub, "me/old", {"train-0.parquet": train}, "v1")
    assert sum(map(len, opened("hf:me/old@v1").splits.values())) == 5
    with pytest.raises(RequestError, match='me/old has no revision "v2"'):
        opened("hf:me/old@v2")


def test_what_the_hub_lacks_is_a_sentence(hub: HubServer, files: dict[str, bytes]) -> None:
    put(hub, "me/text", {"README.md": b"x"})
    put(hub, "me/closed", files)
    put(hub, "me/down", files)
    hub.gated.add("me/closed")
    hub.refuse["resolve"] = 400
    for text, words in {
        "hf:me/nothing": "There is no repository me/nothing on the Hub",
        "hf:me/text": "me/text has no parquet files",
        "hf:me/closed": "me/closed is gated",
        "hf:me/down": "hf:me/down could not be downloaded",
    }.items():
        with pytest.raises(CardinetError) as error:
            opened(text)
        assert words in str(error.value)
