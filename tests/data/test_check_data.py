"""check-data: every kind of bad picture by name, notes, duplicates, the cache, and the gate before training."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cardinet.base.errors import Notice, RequestError, WorkError
from cardinet.data import check as check_module
from cardinet.data.admission import admitted, without_pictures
from cardinet.data.check import CheckReport, bad_pictures, check
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from data.pictures import MakePicture, noise

SETTINGS = DataSettings(pixel_limit=1_000_000)


def kinds(report: CheckReport) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        found.setdefault(finding.kind, []).append(Path(finding.name).name)
    return found


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole PNG of 30000x30000 pixels, 110 kB."""
    path = tmp_path_factory.mktemp("huge") / "huge.png"
    Image.new("1", (30000, 30000)).save(path)
    return path.read_bytes()


@pytest.fixture
def messy(photographs: Path, huge: bytes) -> Path:
    """The photographs with one picture of each bad kind and one for each note in train/ant."""
    ant = photographs / "train" / "ant"
    whole = (ant / "0.jpg").read_bytes()
    (ant / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (ant / "nothing.jpg").write_bytes(b"")
    (ant / "text.jpg").write_text("I am a poem, not a picture")
    (ant / "head.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 50)
    (ant / "huge.png").write_bytes(huge)
    noise(70, 70, channels=1).save(ant / "grey.png")
    noise(70, 70).quantize(16).save(ant / "palette.gif")
    noise(70, 70).convert("RGBA").save(ant / "alpha.png")
    Image.new("I;16", (70, 70), 30000).save(ant / "deep.png")
    noise(70, 70).convert("CMYK").save(ant / "print.jpg")
    noise(70, 71).save(ant / "really_png.jpg", format="PNG")
    noise(70, 70, seed=1).save(ant / "film.gif", save_all=True, append_images=[noise(70, 70, seed=2)])
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(70, 72).save(ant / "turned.jpg", exif=exif)
    (photographs / "train" / "bee" / "copy.jpg").write_bytes(whole)
    (photographs / "val" / "ant" / "copy.jpg").write_bytes(whole)
    return photographs


def test_every_kind_is_found_and_nothing_else(messy: Path) -> None:
    report = check(str(messy), SETTINGS, workers=2)
    assert kinds(report) == {
        "truncated": ["cut.jpg"],
        "empty": ["nothing.jpg"],
        "wrongly-typed": ["text.jpg"],
        "damaged": ["head.png"],
        "over-large": ["huge.png"],
        "grey": ["deep.png", "grey.png"],
        "palette": ["film.gif", "palette.gif"],
        "alpha": ["alpha.png"],
        "16-bit": ["deep.png"],
        "colour-space": ["print.jpg"],
        "animated": ["film.gif"],
        "rotated": ["turned.jpg"],
        "duplicate": ["copy.jpg", "copy.jpg"],
    }
    assert {finding.kind for finding in report.bad()} == {
        "truncated",
        "empty",
        "wrongly-typed",
        "damaged",
        "over-large",
    }
    assert report.pictures == 24 + 13 + 1 + 6 + 1
    assert report.splits == {"train": 38, "validation": 7}
    by_kind = {finding.kind: finding for finding in report.findings}
    assert "900,000,000 pixels" in by_kind["over-large"].detail
    assert "I am a poem" in by_kind["wrongly-typed"].detail


def test_duplicates_say_which_split_and_which_class(messy: Path) -> None:
    twins = [finding for finding in check(str(messy), SETTINGS).findings if finding.kind == "duplicate"]
    first = "train/ant/0.jpg"
    assert all(first in twin.detail for twin in twins)
    assert "different classes (bee and ant)" in twins[0].detail
    assert "train split" not in twins[0].detail
    assert "train split" in twins[1].detail
    assert "classes" not in twins[1].detail


def test_the_second_check_reads_the_cache(messy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = check(str(messy), SETTINGS)
    monkeypatch.setattr(check_module, "inspect", lambda *_: pytest.fail("decoded again"))
    second = check(str(messy), SETTINGS)
    assert (first.from_cache, second.from_cache) == (0, first.pictures)
    assert second.findings == first.findings
    monkeypatch.undo()


def test_a_changed_file_is_decoded_again(photographs: Path) -> None:
    check(str(photographs), SETTINGS)
    path = photographs / "train" / "cat" / "2.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    report = check(str(photographs), SETTINGS)
    assert report.from_cache == 29
    assert kinds(report) == {"truncated": ["2.jpg"]}
    os.utime(path, ns=(1, 1))
    assert check(str(photographs), SETTINGS).from_cache == 29


def test_another_pixel_limit_is_another_check(photographs: Path) -> None:
    check(str(photographs), SETTINGS)
    report = check(str(photographs), DataSettings(pixel_limit=80 * 90 - 1))
    assert report.from_cache == 0
    assert set(kinds(report)) == {"over-large"}


def test_a_damaged_or_unwritable_cache_costs_time_only(
    photographs: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(str(photographs), SETTINGS)
    (cache,) = (own_cache / "cardinet" / "check").iterdir()
    for content in ("", "{", "[]", '{"version": 1}'):
        cache.write_text(content)
        assert check(str(photographs), SETTINGS).from_cache == 0
    blocked = own_cache / "file"
    blocked.write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr(tempfile, "tempdir", str(own_cache))
    with pytest.warns(Notice, match="cannot be written to"):
        report = check(str(photographs), SETTINGS)
    assert (report.from_cache, report.findings) == (0, ())


def test_progress_ends_at_the_total(photographs: Path) -> None:
    calls: list[tuple[int, int]] = []
    check(str(photographs), SETTINGS, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 30)
    assert calls[-1] == (30, 30)
    assert calls == sorted(calls)


def test_all_problems_of_a_source_at_once(photographs: Path) -> None:
    (photographs / "train" / "empty").mkdir()
    (photographs / "val" / "stranger").mkdir()
    (photographs / "train" / "bee" / "0.jpg").write_bytes(b"")
    report = check(str(photographs), SETTINGS)
    assert [finding.kind for finding in report.bad()] == ["empty-class", "unknown-class", "empty"]


def test_one_class_only(tmp_path: Path, make_picture: MakePicture) -> None:
    for i in range(12):
        make_picture(tmp_path / "ant" / f"{i}.png", seed=i)
    report = check(str(tmp_path), SETTINGS)
    assert [finding.kind for finding in report.bad()] == ["one-class"]


def test_a_grey_source_is_not_remarked_on_picture_by_picture(tmp_path: Path, make_picture: MakePicture) -> None:
    for name in ("ant", "bee"):
        for i in range(4):
            make_picture(tmp_path / "train" / name / f"{name}{i}.png", seed=i + 10 * (name == "bee"), channels=1)
            make_picture(tmp_path / "val" / name / f"{name}{i}.png", seed=i + 20 + 10 * (name == "bee"), channels=1)
    assert check(str(tmp_path), SETTINGS).findings == ()


def test_the_report_is_a_json_document(messy: Path) -> None:
    document = json.loads(json.dumps(check(str(messy), SETTINGS).to_document()))
    assert document["bad"] == 5
    assert document["classes"] == ["ant", "bee", "cat"]
    assert set(document["findings"][0]) == {"name", "split", "kind", "detail", "bad", "key"}


def test_digits_need_no_check() -> None:
    report = check("digits", DataSettings())
    assert (report.pictures, report.findings) == (1797, ())


def test_a_missing_path_is_a_wrong_request() -> None:
    with pytest.raises(RequestError):
        check("./nowhere", SETTINGS)


def test_training_fails_before_its_first_step_with_the_list(messy: Path) -> None:
    source = open_source(str(messy), SETTINGS)
    assert {Path(finding.name).name for finding in bad_pictures(source, SETTINGS)} == {
        "cut.jpg",
        "nothing.jpg",
        "text.jpg",
        "head.png",
        "huge.png",
    }
    with pytest.raises(WorkError) as error:
        admitted(source, SETTINGS)
    assert len(error.value.findings) == 6
    assert "--on-bad-image skip" in error.value.findings[-1]


def test_skipping_leaves_out_the_bad_ones_only(messy: Path) -> None:
    settings = DataSettings(pixel_limit=1_000_000, on_bad_image="skip")
    source, skipped = admitted(open_source(str(messy), settings), settings)
    assert len(skipped) == 5
    train = source.splits["train"]
    assert len(train) == 33
    assert not {finding.name for finding in skipped} & set(train.names)
    assert all(train.picture(i).size for i in range(len(train)))


@pytest.mark.parametrize("damaged", ["ant/0.png", "ant/3.png", "bee/19.png"])
def test_one_damaged_small_picture_leaves_the_set_small(
    tmp_path: Path, make_picture: MakePicture, damaged: str
) -> None:
    for name in ("ant", "bee"):
        for i in range(20):
            make_picture(tmp_path / "train" / name / f"{i}.png", size=(32, 32), seed=i, channels=1)
    make_picture(tmp_path / "train" / damaged, size=(32, 32), seed=0)  # it has colour, and is none of the healthy ones
    path = tmp_path / "train" / damaged
    path.write_bytes(path.read_bytes()[:200])
    whole = open_source(str(tmp_path), SETTINGS)
    assert (whole.small, whole.size, whole.channels) == (True, (32, 32), 1)
    with pytest.raises(WorkError, match=damaged):
        admitted(whole, SETTINGS)
    settings = DataSettings(on_bad_image="skip")
    source, findings = admitted(open_source(str(tmp_path), settings), settings)
    assert [Path(finding.name) for finding in findings] == [path]
    assert (source.small, source.size, source.channels) == (True, (32, 32), 1)
    for split in source.splits.values():
        assert split.images is not None
        for i, name in enumerate(split.names):
            assert np.array_equal(split.images[i, 0].numpy(), np.asarray(Image.open(name)))
    assert sum(len(split) for split in source.splits.values()) == 39


def test_what_the_cache_says_of_a_small_picture_does_not_hide_damage(tmp_path: Path, make_picture: MakePicture) -> None:
    for name in ("ant", "bee"):
        for i in range(4):
            make_picture(tmp_path / "train" / name / f"{i}.png", size=(32, 32), seed=i)
    path = tmp_path / "train" / "ant" / "2.png"
    state = path.stat()
    check(str(tmp_path), SETTINGS)
    path.write_bytes(b"x" * state.st_size)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(WorkError, match=r"ant/2\.png"):
        admitted(open_source(str(tmp_path), SETTINGS), SETTINGS)


def test_skipped_pictures_are_known_again_however_the_source_is_typed(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photographs / "train" / "bee" / "3.jpg").write_bytes(b"")
    (photographs / "val" / "bee" / "0.jpg").write_bytes(b"no picture")
    odd = os.fsencode(photographs / "train" / "bee") + b"/\xff.jpg"
    with open(odd, "wb") as file:
        file.write(b"bad")
    (photographs / "train" / "bee" / r"\udcff.jpg").write_bytes((photographs / "train" / "ant" / "0.jpg").read_bytes())
    settings = DataSettings(on_bad_image="skip")
    monkeypatch.chdir(photographs.parent)
    first, findings = admitted(open_source("photographs", settings), settings)
    identities = sorted(finding.identity for finding in findings)
    assert identities == ["train:train/bee/3.jpg", r"train:train/bee/\udcff.jpg", "validation:val/bee/0.jpg"]
    assert [text.encode() for text in identities]
    for typed in (str(photographs), f"{photographs}/", "./photographs/../photographs"):
        again = without_pictures(open_source(typed, settings), frozenset(identities), settings)
        for name, count in (("train", 24), ("validation", 5)):
            split = again.splits[name]
            assert len(split) == count
            expected = [os.path.abspath(path) for path in first.splits[name].names]
            assert [os.path.abspath(path) for path in split.names] == expected
            assert split.labels.tolist() == first.splits[name].labels.tolist()
    keys = {first.splits["train"].names.key(i) for i in range(24)}
    assert r"train/bee/\\udcff.jpg" in keys
    assert not {"train/bee/3.jpg", r"train/bee/\udcff.jpg"} & keys
    assert "train/bee/0.jpg" in keys


def test_an_unknown_picture_cannot_be_left_out(photographs: Path) -> None:
    source = open_source(str(photographs), SETTINGS)
    for wrong in ("train:train/bee/99.jpg", "nowhere:train/bee/3.jpg", str(photographs / "train" / "bee" / "3.jpg")):
        with pytest.raises(WorkError, match="holds no such picture") as error:
            without_pictures(source, {wrong, "train:train/bee/3.jpg"}, SETTINGS)
        assert str(error.value).startswith(wrong)


def test_small_pictures_are_in_memory_after_skipping(tmp_path: Path, make_picture: MakePicture) -> None:
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            for i in range(3):
                make_picture(tmp_path / split / name / f"{i}.png", size=(16, 16), seed=i)
    (tmp_path / "train" / "ant" / "1.png").write_bytes(b"no picture")
    settings = DataSettings(on_bad_image="skip")
    source, skipped = admitted(open_source(str(tmp_path), settings), settings)
    assert [finding.kind for finding in skipped] == ["wrongly-typed"]
    assert (source.small, source.size, len(source.splits["train"])) == (True, (16, 16), 5)


def test_a_class_must_not_vanish(photographs: Path) -> None:
    for path in (photographs / "train" / "bee").iterdir():
        path.write_bytes(b"")
    settings = DataSettings(on_bad_image="skip")
    with pytest.raises(WorkError, match="bee has no training picture left"):
        admitted(open_source(str(photographs), settings), settings)


@pytest.mark.shared
def test_the_flowers_have_twins_and_no_damage(shared: Path) -> None:
    report = check(str(shared / "data" / "flowers"), SETTINGS)
    assert report.pictures == 4317
    assert report.bad() == ()
    assert kinds(report).keys() == {"duplicate"}
