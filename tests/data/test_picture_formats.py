"""Formats that are read, those that are named because they are not, and values of more than 8 bits by their bits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cardinet.data import picture_formats
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import PictureError, load_picture, to_mode
from cardinet.data.inspection import inspect
from data.pictures import MakePicture, noise, tiff

LIMIT = 10**8
RAMP = np.tile(np.arange(256, dtype=np.uint16), (4, 1))


def grey(data: bytes) -> list[int]:
    row: list[int] = np.asarray(to_mode(load_picture(data, LIMIT), 1))[0].tolist()
    return row


def remarks(data: bytes) -> dict[str, str]:
    return {remark.kind: remark.detail for remark in inspect(data, LIMIT).remarks}


def test_sixteen_bits_are_scaled_by_their_bits() -> None:
    assert grey(tiff(RAMP * 257)) == list(range(256))
    assert grey(tiff(RAMP)) == [round(value * 255 / 65535) for value in range(256)]  # dark values stay dark
    assert remarks(tiff(RAMP))["16-bit"] == "its values of 16 bits are scaled to 8 bits"
    for format in ("PNG", "PPM"):
        file = io.BytesIO()
        Image.fromarray(RAMP * 257).save(file, format)
        assert grey(file.getvalue()) == list(range(256)), format


def test_white_is_zero() -> None:
    data = tiff(RAMP * 257, photometric=0)
    assert grey(data) == list(range(255, -1, -1))
    assert "0 is white there, so they are inverted" in remarks(data)["16-bit"]


@pytest.mark.parametrize(
    ("values", "how", "words"),
    [
        (RAMP.astype(np.int32), {"bits": 32, "form": 2}, "signed"),
        (RAMP.astype(np.uint32), {"bits": 32}, "32-bit"),
        (RAMP.astype(np.int16), {"form": 2}, "signed"),
        (RAMP.astype(np.int8), {"bits": 8, "form": 2}, "signed"),
        (RAMP.astype(np.float32), {"bits": 32, "form": 3}, "floating-point"),
    ],
)
def test_values_of_no_known_range_are_refused_whatever_they_are(
    values: np.ndarray, how: dict[str, Any], words: str
) -> None:
    data = tiff(values, **how)
    (bad,) = (remark for remark in inspect(data, LIMIT).remarks if remark.bad)
    assert (bad.kind, words in bad.detail) == ("wrongly-typed", True)
    with pytest.raises(PictureError, match=words):
        load_picture(data, LIMIT)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "RGBa", "La", "LA", "PA", "CMYK", "YCbCr", "HSV", "LAB"]
)
def test_every_mode_becomes_grey_and_colour(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    assert [to_mode(image, channels).mode for channels in (1, 3)] == ["L", "RGB"]


def test_formats_that_are_read(tmp_path: Path) -> None:
    read = {"AVIF": "a.avif", "JPEG2000": "a.jp2", "MPO": "a.mpo", "HEIF": "a.heic"}
    image = noise(64, 48, seed=1)
    for format, name in read.items():
        if picture_formats.AVAILABLE.get(format, True):
            more = {"save_all": True, "append_images": [image]} if format == "MPO" else {}
            (tmp_path / "ant").mkdir(exist_ok=True)
            image.save(tmp_path / "ant" / name, format, **more)
            pixels = np.asarray(to_mode(load_picture((tmp_path / "ant" / name).read_bytes(), LIMIT), 3)).astype(int)
            assert np.abs(pixels - np.asarray(image)).mean() < 12, format
    found = {path.name for path in (tmp_path / "ant").iterdir()}
    assert {"a.mpo", "a.heic"} <= found  # the extra is among those of the tests


def test_what_is_passed_over_is_named_by_kind(tmp_path: Path, make_picture: MakePicture) -> None:
    for name in ("ant", "bee"):
        for i in range(3):
            make_picture(tmp_path / name / f"{i}.png", seed=i)
        make_picture(tmp_path / name / "@eaDir" / "0.png@SYNOFILE_THUMB.jpg")
        make_picture(tmp_path / name / ".thumbnails" / "0.png")
    for name in ("a.CR2", "b.cr2", "c.svg", "d.txt", "._e.jpg", "._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "ant" / name).write_bytes(b"x")
    make_picture(tmp_path / "@eaDir" / "ant" / "x.jpg")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    report = check(str(tmp_path), DataSettings())
    assert (report.pictures, report.ignored, report.classes) == (6, 4, ("ant", "bee"))
    assert [finding.sentence() for finding in report.findings if finding.kind in ("not-read", "system-files")] == [
        f"{tmp_path}: not-read: 2 .cr2 files are not read (camera RAW); convert them to JPEG or PNG.",
        f"{tmp_path}: not-read: 1 .svg file is not read (drawing); convert them to JPEG or PNG.",
        f"{tmp_path}: system-files: left out as hidden or system files: @eaDir/ (3), .DS_Store (2), ._* (2), "
        ".thumbnails/ (2), Thumbs.db (1), desktop.ini (1).",
    ]


def test_system_files_beside_the_splits_and_many_hidden_ones(tmp_path: Path, make_picture: MakePicture) -> None:
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            make_picture(tmp_path / split / name / "0.png")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    for i in range(12):
        (tmp_path / "val" / "bee" / f".{i:02}").write_bytes(b"x")
    (tmp_path / "val" / "bee" / "lost+found").write_bytes(b"x")  # a file of that name is not a folder of the system
    found = [f for f in check(str(tmp_path), DataSettings()).findings if f.kind == "system-files"]
    hidden = ", ".join(f".{i:02} (1)" for i in range(8))
    assert [(finding.name, finding.detail) for finding in found] == [
        (str(tmp_path), "left out as hidden or system files: Thumbs.db (1)"),
        (str(tmp_path / "val"), f"left out as hidden or system files: {hidden} and 4 more"),
    ]


def test_bytes_are_named_by_what_they_begin_as() -> None:
    whole = {name: io.BytesIO() for name in picture_formats.FORMATS}
    for name, file in whole.items():
        noise(64, 48).save(file, name)
    found = {name: picture_formats.format_of(file.getvalue()) for name, file in whole.items()}
    assert len(found) == 10
    assert found == {name: name for name in found}
    for name, file in whole.items():  # a header with nothing behind it
        with pytest.raises(PictureError) as caught:
            load_picture(file.getvalue()[:12], LIMIT)
        assert caught.value.kind in ("damaged", "truncated"), name
    assert [picture_formats.format_of(data) for data in (b"\0\0\0\x18ftypisom\0\0\0\0mp42", b"P9 ", b"hello", b"")] == [
        None
    ] * 4


def test_a_format_whose_library_is_missing_is_named_whatever_the_suffix(
    tmp_path: Path, make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    noise(64, 48).save(file, "HEIF")
    for name in ("ant", "bee"):
        for i in range(2):
            make_picture(tmp_path / "set" / name / f"{i}.png", seed=i)
    (tmp_path / "set" / "ant" / "x.jpg").write_bytes(file.getvalue())
    column = pa.array([{"bytes": file.getvalue(), "path": None}, {"bytes": b"", "path": None}])
    pq.write_table(pa.table({"image": column, "label": [0, 1]}), tmp_path / "train.parquet")
    before = {source: check(source, DataSettings()) for source in (str(tmp_path / "set"), f"parquet:{tmp_path}")}
    monkeypatch.setattr(picture_formats, "FORMATS", tuple(name for name in picture_formats.FORMATS if name != "HEIF"))
    words = 'wrongly-typed: it is a HEIF picture, which is not read; install the extra: pip install "cardinet[heic]"'
    for source, report in before.items():
        assert "HEIF" not in " ".join(finding.detail for finding in report.bad())
        after = check(source, DataSettings())  # what was found with the library is not what is found without
        assert sum(words in finding.sentence() for finding in after.bad()) == 1, source


def test_the_message_names_the_extra() -> None:
    assert picture_formats.REASONS["HEIF"].endswith('pip install "cardinet[heic]"')
    assert len(picture_formats.KINDS) == 50
    assert not picture_formats.KINDS.keys() & set(picture_formats.EXTENSIONS)
