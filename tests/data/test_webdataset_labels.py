"""Several labels in tar shards: every way to write them, and everything that is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardinet.base.errors import RequestError
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.source import Source, open_source
from data.tar_shards import picture, write_shard

pytestmark = pytest.mark.usefixtures("own_cache")


def opened(text: Path | str, **settings: Any) -> Source:
    return open_source(f"webdataset:{text}", DataSettings(**settings))


LISTS: dict[str, tuple[Callable[[list[str]], dict[str, bytes]], dict[str, Any]]] = {
    "json field": (lambda n: {"json": json.dumps({"width": 9, "labels": n}).encode()}, {}),
    "json list": (lambda n: {"json": json.dumps(n).encode()}, {}),
    "asked field": (lambda n: {"json": json.dumps({"tags": n, "label": 7}).encode()}, {"label_column": "tags"}),
    "lines": (lambda n: {"cls": "\r\n".join([*n, ""]).encode(), "txt": b"a caption"}, {}),
    "mark": (lambda n: {"cls": b"\xef\xbb\xbf" + "\n".join(n).encode()}, {}),
    "text": (lambda n: {"txt": "\n".join(n).encode()}, {}),
    "bars": (lambda n: {"cls": "|".join(n).encode()}, {"label_separator": "|"}),
    "asked file": (lambda n: {"tags.txt": ";".join(n).encode()}, {"label_separator": ";", "label_column": "tags.txt"}),
    "text in json": (lambda n: {"json": json.dumps({"label": ", ".join(n)}).encode()}, {"label_separator": ","}),
    "json before text": (lambda n: {"json": json.dumps(n).encode(), "txt": b"a caption"}, {}),
}
"""The ways to write several labels of a sample, and the settings that they need."""


@pytest.mark.parametrize("way", LISTS)
def test_several_labels_of_a_sample(tmp_path: Path, way: str) -> None:
    lists = [["bus"], ["cat", "große Katze"], [], ["bus", "cat"], ["große Katze"], ["cat"]]
    write, settings = LISTS[way]
    write_shard(tmp_path / "a.tar", [{"png": picture(i), **write(names)} for i, names in enumerate(lists)])
    found = list_source(f"webdataset:{tmp_path}", DataSettings(labels="list", **settings))
    assert found.classes == ("bus", "cat", "große Katze")
    assert found.parts["train"].labels.dtype == np.uint8
    assert found.parts["train"].labels.tolist() == [[int(name in names) for name in found.classes] for names in lists]
    assert not [problem for problem in found.problems if problem.bad]
    assert len(LISTS) == 10
    alone = list_source(f"webdataset:{tmp_path}", DataSettings(label_column=settings.get("label_column")))
    said = " ".join(problem.detail for problem in alone.problems)
    asked = "a.tar/0000, a.tar/0001, a.tar/0003, and 2 more: the sample has a list of labels; for several labels of a"
    assert (asked in said) is (way in {"json field", "json list", "json before text", "asked field"})
    again = list_source(f"webdataset:{tmp_path}", DataSettings(labels="list", **settings))  # from the kept index
    assert again.fingerprint == found.fingerprint


def test_numbers_and_faults_of_several_labels(tmp_path: Path) -> None:
    samples: list[dict[str, Any]] = [{"json": json.dumps(one).encode()} for one in ([0, 2], [], [1], [2, 1], [0])]
    wrong: list[dict[str, Any]] = [
        {"json": b"[1, 1]"},
        {"json": b"[0.5]"},
        {"json": b'[""]'},
        {"json": b"{}"},
        {"json": b"[[0], [1]]"},
        {"json": b"[0, -1]"},
        {"json": b"[10000000000]"},
        {"txt2": b"0"},
    ]
    write_shard(tmp_path / "a.tar", [{"png": picture(i), **one} for i, one in enumerate([*samples, *wrong])])
    found = list_source(f"webdataset:{tmp_path}", DataSettings(labels="list"))
    said = {problem.kind: problem.detail for problem in found.problems if problem.bad}
    assert set(said) == {"no-label", "wrong-label", "twice-named"}
    assert said["twice-named"].startswith("a.tar/0005: ")
    assert said["no-label"].startswith("a.tar/0006, a.tar/0007, a.tar/0008, and 2 more: ")
    assert said["wrong-label"].startswith('a.tar/0010.png (["0", "-1"]), a.tar/0011.png (["10000000000"]): ')
    source = opened(tmp_path, labels="list", on_bad_image="skip", validation=0.0, test=0.0)
    assert source.classes == ("0", "1", "2")
    assert source.splits["train"].labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]]
    (tmp_path / "names.txt").write_text("bus\ncat\ndog\n")
    named = opened(tmp_path, labels="list", on_bad_image="skip", class_names="names.txt")
    assert named.classes == ("bus", "cat", "dog")
    with pytest.raises(RequestError, match=r"data\.labels = marks is for csv:FILE; tar shards"):
        opened(tmp_path, labels="marks")
    with pytest.raises(RequestError, match="label_separator is empty"):
        opened(tmp_path, labels="list", label_separator="")


def test_shards_of_several_labels_that_are_sorted_are_noted(tmp_path: Path) -> None:
    for shard in range(6):
        lists = [[shard], [shard], [shard], []]
        samples = [{"png": picture(i), "json": json.dumps(one).encode()} for i, one in enumerate(lists)]
        write_shard(tmp_path / "sorted" / f"{shard}.tar", samples)
        lists = [[shard, (shard + 1) % 6], [(shard + 2) % 6, (shard + 3) % 6], [], []]
        samples = [{"png": picture(i), "json": json.dumps(one).encode()} for i, one in enumerate(lists)]
        write_shard(tmp_path / "mixed" / f"{shard}.tar", samples)
    for name, expected in (("sorted", True), ("mixed", False)):
        found = list_source(f"webdataset:{tmp_path / name}", DataSettings(labels="list", shuffle_shards=2))
        assert ("sorted-shards" in {problem.kind for problem in found.problems}) is expected
