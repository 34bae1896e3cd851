"""Tar shards in files: what is read of them, beside the library webdataset, and everything that is wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import braceexpand
import numpy as np
import pytest
import webdataset
from PIL import Image

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.admission import admitted
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import absolute, list_source
from cardinet.data.kinds.shard_places import expanded, shard_places
from cardinet.data.ordered_pictures import lost, ordered_pictures, whole
from cardinet.data.source import Source, open_source
from cardinet.data.tar_index import Columns, NoTar, read_index
from data.tar_shards import picture, write_shard, write_shards

pytestmark = pytest.mark.usefixtures("own_cache")


def opened(text: Path | str, **settings: Any) -> Source:
    return open_source(f"webdataset:{text}", DataSettings(**settings))


def contents(source: Source, split: str) -> list[tuple[str, bytes, str]]:
    """The name, pixels and class of each picture."""
    part = source.splits[split]
    return [
        (part.names[i], np.asarray(part.picture(i)).tobytes(), source.classes[part.labels[i]]) for i in range(len(part))
    ]


def with_the_library(paths: list[Path]) -> list[dict[str, Any]]:
    """The samples as webdataset reads them; it would leave files open."""
    shards = [{"url": path.name, "stream": io.BytesIO(path.read_bytes())} for path in paths]
    return list(webdataset.tariterators.group_by_keys(webdataset.tariterators.tar_file_expander(shards)))


def pixels(content: bytes) -> bytes:
    return np.asarray(Image.open(io.BytesIO(content))).tobytes()


def test_the_same_samples_as_the_library_reads(tmp_path: Path) -> None:
    write_shards(tmp_path, "train", shards=3, samples=6)
    write_shards(tmp_path, "val", shards=1, samples=4)
    source = opened(tmp_path)
    assert source.classes == ("0", "1")
    assert [*source.splits] == ["train", "validation"]
    for split, prefix, count in (("train", "train", 18), ("validation", "val", 4)):
        found = contents(source, split)
        assert found == [
            (f"{one['__url__']}/{one['__key__']}.png", pixels(one["png"]), one["cls"].decode())
            for one in with_the_library(sorted(tmp_path.glob(f"{prefix}-*.tar")))
        ]
        assert len(found) == count


def odd_names(path: Path) -> Path:
    """A shard with names that the conventions treat in a special way."""
    files = {
        "__index__": b"{}",
        "ant/a.b/1.input.png": picture(1),
        "ant/a.b/1.cls": b"0",
        "ant/a.b/1.json": b'{"label": 1}',
        "no-suffix": b"x",
        "ant/2.PNG": picture(2),
        "ant/2.Cls": b" 1\n",
        "ant/2.txt": b"a caption",
        "2.png": picture(3),
        "2.cls": b"1",
        "3.cls": b"0",
        "3.seg.json": b"[1, 2]",
        "3.png": picture(4),
    }
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as out:
        out.addfile(folder := tarfile.TarInfo("ant"))
        folder.type = tarfile.DIRTYPE
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = {"comment": "é" * 40}
            out.addfile(member, io.BytesIO(content))
    return path


def test_keys_and_suffixes_are_those_of_the_library(tmp_path: Path) -> None:
    path = odd_names(tmp_path / "train.tar")
    source = opened(path, validation=0.0, test=0.0)
    found = contents(source, "train")
    expected = []
    for sample in with_the_library([path]):
        suffix = next(s for s in sample if s.endswith("png"))
        expected.append((f"train.tar/{sample['__key__']}.{suffix}", sample["cls"].strip().decode()))
    assert [(name, label) for name, _, label in found] == expected
    assert len(found) == 4
    assert found[1][1] == pixels(picture(2))


LABELS: dict[str, tuple[list[dict[str, bytes]], dict[str, Any], list[str], list[int]]] = {
    "numbers": ([{"cls": b"2"}, {"cls": b"0"}, {"cls": b"1\n"}], {}, ["0", "1", "2"], [2, 0, 1]),
    "names": ([{"cls": b"dog"}, {"cls": "k\u00e4fer".encode()}, {"cls": b"dog"}], {}, ["dog", "k\u00e4fer"], [0, 1, 0]),
    "json": ([{"json": b'{"label": 1}'}, {"json": b'{"class": "0"}'}, {"json": b"1"}], {}, ["0", "1"], [1, 0, 1]),
    "field": (
        [{"json": json.dumps({"label": 0, "kind": kind}).encode()} for kind in ("ox", "ape", "ox")],
        {"label_column": "kind"},
        ["ape", "ox"],
        [1, 0, 1],
    ),
    "file": (
        [{"cls": b"9", "kind.txt": k} for k in (b"b", b"a", b"a")],
        {"label_column": "kind.txt"},
        ["a", "b"],
        [1, 0, 0],
    ),
    "class names": (
        [{"cls": b"1"}, {"cls": b"ant"}, {"cls": b"2"}],
        {"class_names": "n.txt"},
        ["ant", "bee", "cat"],
        [1, 0, 2],
    ),
}


@pytest.mark.parametrize("form", LABELS)
def test_labels(tmp_path: Path, form: str) -> None:
    samples, settings, classes, labels = LABELS[form]
    (tmp_path / "n.txt").write_text("ant\nbee\ncat\n")
    write_shard(tmp_path / "train.tar", [{"png": picture(i), **one} for i, one in enumerate(samples)])
    source = opened(tmp_path / "train.tar", validation=0.0, test=0.0, **settings)
    assert list(source.classes) == classes
    assert source.splits["train"].labels.tolist() == labels
    assert len(LABELS) == 6


def test_one_of_several_pictures(tmp_path: Path) -> None:
    samples = [{"left.png": picture(i), "right.png": picture(50 + i), "cls": str(i % 2).encode()} for i in range(4)]
    write_shard(tmp_path / "a.tar", samples)
    with pytest.raises(WorkError, match=r"several-pictures: a\.tar/0000 \(left\.png, right\.png\), .* and 1 more: "):
        opened(tmp_path / "a.tar")
    source = opened(tmp_path / "a.tar", picture_column="right.png", validation=0.0, test=0.0)
    assert contents(source, "train")[0][1] == pixels(picture(50))


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "{a,b}c",
        "x-{0..3}.tar",
        "x-{00..11..2}",
        "{08..11}",
        "{3..1}",
        "{a,b{1..2}}-{x,y}",
        "{a}",
        "{a",
        "a}{",
        "{,b}",
    ],
)
def test_braces_are_those_of_the_library(text: str) -> None:
    try:
        known = list(braceexpand.braceexpand(text))
    except ValueError:  # unbalanced braces, which a shell leaves as they are
        known = [text]
    assert expanded(text) == known


def test_shards_are_named_in_several_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path / "set", shards=4, samples=1)
    monkeypatch.chdir(tmp_path)
    four = [f"set/train-{i:03d}.tar" for i in range(4)]
    for text in ("set", "set/*.tar", "set/train-{000..003}.tar", "set/*-000.tar::set/train-00{1,2,3}.tar", "set::set"):
        assert shard_places(text) == four
    assert absolute("webdataset:set/a{0..1}.tar::http://x/y.tar") == (
        f"webdataset:{tmp_path}/set/a{{0..1}}.tar::http://x/y.tar"
    )


WRONG_PLACES = {
    "set/trian-000.tar": "There is no shard set/trian-000.tar (nearest: train-000.tar",
    "set/train-{000..009}.tar": "... and 3 more shards are missing.",
    "set/val-*.tar": "No file matches set/val-*.tar (",
    "sets/*.tar": "there is no folder sets",
    "empty": "empty holds no .tar files.",
    "http://x/*.tar": "a web server does not list its files",
    "s3://x/a.tar": "and not from s3",
    "pipe:cat a.tar": "and not from pipe",
    "http:///a.tar": "names no web server",
    "set/{0..9999999}.tar": "names more than 100,000 shards",
    "set/train-000.tar::http://127.0.0.1:9/a.tar": "in files or on web servers, and not in both",
}


def test_wrong_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path / "set", shards=4, samples=1)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for text, words in WRONG_PLACES.items():
        with pytest.raises(RequestError) as error:
            opened(text)
        assert words in str(error.value), text
    with pytest.raises(RequestError) as error:
        opened("nowhere.tar::set/val-*.tar::s3://x")
    assert len(error.value.findings) == 3
    assert len(WRONG_PLACES) == 11


def damaged(root: Path) -> Path:
    """Shards with every fault, beside a good one."""
    write_shards(root, "train", shards=1, samples=12)
    good = (root / "train-000.tar").read_bytes()
    (root / "train-001.tar").write_bytes(b"this is no archive" * 100)
    (root / "train-002.tar").write_bytes(gzip.compress(good))
    (root / "train-003.tar").write_bytes(b"")
    with tarfile.open(root / "train-000.tar") as archive:
        place = archive.getmember("0005.png").offset_data
    (root / "train-004.tar").write_bytes(good[: place + 100])
    write_shard(root / "train-005.tar", [])
    bad: list[dict[str, Any]] = [
        {"cls": b"0"},
        {"png": picture(1)},
        {"png": picture(2), "cls": b"-1"},
        {"png": picture(3), "jpg": picture(3), "cls": b"1"},
        {"__key__": "twice", "png": picture(4), "cls": b"1"},
        {"png": picture(5), "json": b"{broken"},
        {"__key__": "twice", "png": picture(6), "cls": b"1"},
        {"png": picture(7), "cls": b"99999999999"},
    ]
    write_shard(root / "train-006.tar", bad)
    (root / "train-007.tar").write_bytes(good.rstrip(b"\0") + bytes(-len(good.rstrip(b"\0")) % 512))  # no end mark
    return root


def test_all_faults_at_once(tmp_path: Path) -> None:
    damaged(tmp_path)
    with pytest.raises(WorkError) as error:
        opened(tmp_path)
    found = {finding.split(": ")[1]: finding for finding in error.value.findings}
    assert len(found) == 7
    assert "train-001.tar: it is no tar archive" in found["no-tar"]
    assert "train-002.tar: it is compressed (gzip)" in found["no-tar"]
    assert "train-003.tar: it is empty (0 bytes)" in found["no-tar"]
    assert ": train-004.tar/0005.png, train-007.tar after byte 50,688: " in found["truncated"]
    assert "train-006.tar/0000: " in found["no-picture"]
    assert "train-006.tar/0001, train-006.tar/0005: " in found["no-label"]
    assert "train-006.tar/0002.png (-1), train-006.tar/0007.png (99999999999): " in found["wrong-label"]
    assert "train-006.tar/0003 (jpg, png): " in found["several-pictures"]
    assert "train-006.tar/twice: " in found["duplicate-key"]
    report = check(f"webdataset:{tmp_path}", DataSettings())
    notes = {finding.kind: finding for finding in report.findings if not finding.bad}
    assert "train-005.tar: the shard holds no sample" in notes["empty-shard"].detail
    assert {*found} <= {finding.kind for finding in report.bad()}


def test_no_damage_of_an_archive_loses_a_sample_without_a_word(tmp_path: Path) -> None:
    """Cut, turned, inserted or emptied at any place, an archive has all samples, or faults, or is none."""
    samples = [{"png": picture(i), "cls": b"1"} for i in range(4)]
    path = write_shard(tmp_path / "a.tar", samples)
    good = path.read_bytes()
    chance = random.Random(0)
    seen: Counter[str] = Counter()
    for number in range(300):
        content, place = bytearray(good), chance.randrange(len(good))
        how = ("cut", "turn", "insert", "empty")[number % 4]
        if how == "cut":
            del content[place:]
        elif how == "turn":
            content[place // 512 * 512 + chance.randrange(512)] ^= 1 << chance.randrange(8)
        elif how == "insert":
            content[place:place] = chance.randbytes(chance.randrange(1, 2000))
        else:
            content[place // 512 * 512 : place // 512 * 512 + 512] = bytes(512)
        path.write_bytes(content)
        try:
            index = read_index(path, Columns())
        except NoTar:
            seen["no tar"] += 1
            continue
        whole = index.keys.tolist() == [b"0000", b"0001", b"0002", b"0003"]
        assert whole or len(index.fault_kinds), (how, place)
        seen["whole" if whole else "faults"] += 1
    assert min(seen["no tar"], seen["faults"], seen["whole"]) > 5


def test_faulty_samples_can_be_left_out(tmp_path: Path) -> None:
    damaged(tmp_path)
    for number in (1, 2, 3):
        (tmp_path / f"train-{number:03d}.tar").unlink()
    settings = DataSettings(on_bad_image="skip", validation=0.0, test=0.0)
    source, left_out = admitted(
        opened(tmp_path, **settings.model_dump(include={"on_bad_image", "validation", "test"})), settings
    )
    assert left_out == []
    assert source.classes == ("0", "1")
    whole = 12 + 12 + 1  # train-000, train-007, and "twice" of train-006
    assert whole < len(source.splits["train"]) < whole + 12
    for i in range(len(source.splits["train"])):
        source.splits["train"].picture(i)


def test_a_damaged_picture_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    samples = [{"png": picture(i, width=10 + i), "cls": str(i % 2).encode()} for i in range(6)]
    samples[3]["png"] = samples[3]["png"][:60]
    write_shard(tmp_path / "train-0.tar", samples)
    report = check(f"webdataset:{tmp_path}", DataSettings())
    assert [(bad.name, bad.key) for bad in report.bad()] == [("train-0.tar/0003.png", "train-0.tar/0003.png")]
    assert check(f"webdataset:{tmp_path}", DataSettings()).from_cache == 6
    settings = DataSettings(on_bad_image="skip", validation=0.0, test=0.0)
    source, left_out = admitted(open_source(f"webdataset:{tmp_path}", settings), settings)
    assert [finding.identity for finding in left_out] == ["train:train-0.tar/0003.png"]
    assert [name.split("/")[1] for name in source.splits["train"].names] == [f"000{i}.png" for i in (0, 1, 2, 4, 5)]


def test_numbers_and_names_together(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [{"png": picture(0), "cls": b"1"}, {"png": picture(1), "cls": b"ant"}])
    with pytest.raises(WorkError, match=r"mixed-labels: 1, ant: some labels are numbers and some are names"):
        opened(tmp_path)


def test_classes_that_only_one_split_has(tmp_path: Path) -> None:
    for split, names in (("train", (b"ant", b"bee")), ("test", (b"ant", b"cat"))):
        write_shard(tmp_path / f"{split}-0.tar", [{"png": picture(i), "cls": n} for i, n in enumerate(names)])
    with pytest.raises(WorkError, match="unknown-class: the train samples do not have the classes cat"):
        opened(tmp_path)
    (tmp_path / "names.txt").write_text("ant\nbee\n")
    with pytest.raises(WorkError, match=r"wrong-label: test-0\.tar/0001\.png \(cat\): "):
        opened(tmp_path, class_names="names.txt")


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (["imagenet1k-train-0.tar", "imagenet1k-validation-0.tar"], ["train", "validation"]),
        (["train/0.tar", "test/0.tar"], ["train", "test"]),
        (["a-0.tar", "a-1.tar"], ["train", "validation", "test"]),
        (["val-0.tar", "val-1.tar"], ["train", "validation", "test"]),
    ],
)
def test_splits(tmp_path: Path, names: list[str], split: list[str]) -> None:
    for name in names:
        write_shard(tmp_path / name, [{"png": picture(i), "cls": str(i % 2).encode()} for i in range(20)])
    assert [*opened(tmp_path).splits] == split


def test_splits_that_do_not_fit(tmp_path: Path) -> None:
    for name in ("val-0.tar", "test-0.tar"):
        write_shard(tmp_path / name, [{"png": picture(0), "cls": b"0"}])
    with pytest.raises(WorkError, match="but none for train"):
        opened(tmp_path)
    write_shard(tmp_path / "odd-0.tar", [{"png": picture(0), "cls": b"0"}])
    with pytest.raises(WorkError, match=r"odd-0\.tar belongs to no split, but test-0\.tar does"):
        opened(tmp_path)


def test_a_changed_shard_is_read_again(tmp_path: Path) -> None:
    write_shards(tmp_path, shards=1, samples=8)
    first = list_source(f"webdataset:{tmp_path}")
    assert list_source(f"webdataset:{tmp_path}").fingerprint == first.fingerprint
    write_shards(tmp_path, shards=1, samples=9)
    again = list_source(f"webdataset:{tmp_path}")
    assert len(again.parts["train"]) == 9
    assert again.fingerprint != first.fingerprint


def test_other_settings_are_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, shards=1)
    with pytest.raises(RequestError, match="root is for csv:FILE"):
        opened(tmp_path, root="x")
    with pytest.raises(RequestError, match=r"data.class_names: there is no file .*nothing\.txt"):
        opened(tmp_path, class_names="nothing.txt")


def test_a_prediction_needs_no_labels(tmp_path: Path) -> None:
    for split in ("val", "test"):
        write_shard(tmp_path / f"{split}-0.tar", [{"png": picture(i)} for i in range(4)])
    text = f"webdataset:{tmp_path}"
    pictures = ordered_pictures([text], DataSettings())
    assert [one.name for one in whole(pictures)] == [
        f"{s}-0.tar/{i:04d}.png" for s in ("test", "val") for i in range(4)
    ]
    assert len(ordered_pictures([text], DataSettings(), "test")) == 4
    assert lost(pictures) == ()
    write_shard(tmp_path / "val-1.tar", [{"png": picture(9)}, {"txt": b"a caption"}])
    (tmp_path / "val-2.tar").write_bytes((tmp_path / "val-1.tar").read_bytes()[:1600])
    found = ordered_pictures([text, str(tmp_path / "val-0.tar")], DataSettings())
    assert len(found) == 9 + 1
    assert len(ordered_pictures([text], DataSettings(), "validation")) == 5
    no_picture, cut = sorted(lost(found))
    assert "no-picture: val-1.tar/0001: the sample has no picture" in no_picture
    assert "truncated: val-2.tar/0000.png: the shard is cut" in cut
    (tmp_path / "val-3.tar").write_bytes(b"no tar")
    with pytest.raises(WorkError, match=r"no-tar: val-3\.tar"):
        ordered_pictures([text], DataSettings())
