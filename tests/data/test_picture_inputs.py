"""Pictures as they are handed over: every kind gives the same pixels, and what is not a picture is named."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from cardinet.base.errors import RequestError
from cardinet.data.decode import PictureError, to_mode
from cardinet.data.picture_inputs import is_single, picture_inputs

if TYPE_CHECKING:
    from cardinet.data.picture_inputs import One, Pictures

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
LIMIT = 10_000


def values(pictures: Any) -> list[Any]:
    return [np.asarray(picture.image(LIMIT)).tolist() for picture in picture_inputs(pictures)]


def png(pixels: Any = PIXELS) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


CHANNELS_FIRST = torch.from_numpy(PIXELS).permute(2, 0, 1)
KINDS: dict[str, Any] = {
    "bytes": png(),
    "bytearray": bytearray(png()),
    "memoryview": memoryview(png()),
    "Pillow": Image.fromarray(PIXELS),
    "not yet decoded": Image.open(io.BytesIO(png())),
    "array": PIXELS,
    "array of floats": PIXELS / 255,
    "array of float32": (PIXELS / 255).astype(np.float32),
    "tensor": CHANNELS_FIRST,
    "tensor of floats": CHANNELS_FIRST / 255,
    "tensor of float16": (CHANNELS_FIRST / 255).half(),
    "parameter": (CHANNELS_FIRST / 255).requires_grad_(),
    "a view that is turned": np.ascontiguousarray(PIXELS[::-1])[::-1],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_pixels(kind: str) -> None:
    assert is_single(KINDS[kind])
    assert values(KINDS[kind]) == [PIXELS.tolist()]


def test_paths_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b/10.png", "b/9.PNG", "a/deep/x.png", "a.png", "[1].png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(png())
    Path("b/notes.txt").write_text("x")
    expected = {
        "a.png": ["a.png"],
        "[1].png": ["[1].png"],  # a file with such a name is no pattern
        "b": ["b/10.png", "b/9.PNG"],
        ".": ["./[1].png", "./a/deep/x.png", "./a.png", "./b/10.png", "./b/9.PNG"],
        "b/*": ["b/10.png", "b/9.PNG"],
        "b/?.*": ["b/9.PNG"],
        "**/x.png": ["a/deep/x.png"],
        "[ab]": ["a/deep/x.png", "b/10.png", "b/9.PNG"],
    }
    for text, names in expected.items():
        for path in (text, Path(text)):
            found = picture_inputs(path)
            assert [os.path.normpath(p.name) for p in found] == [os.path.normpath(name) for name in names]
            assert is_single(path) == (text in ("a.png", "[1].png"))
    assert [p.name for p in picture_inputs(["b/9.PNG", "a", PIXELS])] == ["b/9.PNG", "a/deep/x.png", "picture 3"]


def test_several_in_one_array() -> None:
    two = np.stack([PIXELS, PIXELS[::-1]])
    apart: list[One] = [PIXELS, Image.fromarray(PIXELS[::-1])]
    ways: list[Pictures] = [two, torch.from_numpy(two).permute(0, 3, 1, 2), apart, iter(two)]
    for several in ways:
        assert not is_single(several)
        assert values(several) == two.tolist()
    assert picture_inputs([]) == []


def test_grey_and_transparent() -> None:
    grey = PIXELS[:, :, 0]
    for one in (grey, grey[:, :, None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        assert values(one) == [grey.tolist()]
    assert picture_inputs(np.dstack([PIXELS, grey]))[0].image(LIMIT).mode == "RGBA"
    assert picture_inputs(grey.astype(np.uint16) * 257)[0].image(LIMIT).mode.startswith("I;16")


def test_a_tensor_of_bfloat16() -> None:
    halves = torch.tensor([[0, 0.5], [0.25, 1]], dtype=torch.bfloat16)
    assert values(halves) == [[[0, 128], [64, 255]]]


def test_an_open_file_is_one_picture_and_not_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    assert is_single(io.BytesIO(png()))
    assert values(io.BytesIO(png())) == [PIXELS.tolist()]
    with open(tmp_path / "a.png", "rb") as file:
        assert values([file, io.BytesIO(png())]) == [PIXELS.tolist()] * 2
    with pytest.raises(RequestError, match="open it in binary mode"):
        picture_inputs(file)  # it is closed


def wide_file(kind: str) -> bytes:
    """A grey picture of two values, of which Pillow alone does not say how they are stored."""
    file = io.BytesIO()
    if kind.startswith("PGM"):
        most = int(kind.split()[1])
        return f"P5 2 1 {most} ".encode() + np.array([most // 4, most], ">u2").tobytes()
    Image.fromarray(np.array([[1024, 4095]], np.uint16)).save(file, "TIFF", tiffinfo={262: 0})
    if kind == "12-bit TIFF":  # two values of 12 bits in three bytes, as Pillow writes none
        tags = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 3}
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        return struct.pack("<2sHI", b"II", 42, 12) + b"\x40\x0f\xff\0" + struct.pack("<H", 9) + entries + bytes(4)
    return file.getvalue()


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("12-bit TIFF", [64, 255]), ("TIFF of 0 as white", [251, 239]), ("PGM 4095", [64, 255]), ("PGM 65535", [64, 255])],
)
def test_a_picture_that_the_user_opened_has_the_values_of_its_file(
    kind: str, expected: list[int], decoded: bool
) -> None:
    opened = Image.open(io.BytesIO(wide_file(kind)))
    if decoded:
        opened.load()
    for one in (wide_file(kind), opened, opened):
        grey = to_mode(picture_inputs(one)[0].image(LIMIT), 1)
        assert np.asarray(grey)[0] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("nothere.png", "There is no picture or folder nothere.png"),
        ("no*.png", "matches no\\*.png"),
        ("/dev/null", "/dev/null is not a file"),
        (3, "int is not a picture"),
        ({"a": PIXELS}, "dict is not a picture"),
        (io.StringIO("P2"), "open as text; open it in binary mode"),
        (
            torch.ones(3, 2, 2).to_sparse(),
            r"a sparse tensor \(torch.sparse_coo\) is not a picture; give tensor.to_dense",
        ),
        (torch.ones(3, 2, 2, device="meta"), "on the meta device has no values"),
        ([PIXELS, None], "NoneType is not a picture"),
        (PIXELS.transpose(2, 0, 1), r"an array of shape \(3, 6, 5\) is not a picture: give \(H, W\) or \(H, W, C\)"),
        (torch.from_numpy(PIXELS), r"a tensor of shape \(6, 5, 3\) is not a picture: give \(H, W\) or \(C, H, W\)"),
        (PIXELS[:0], "is not a picture"),
        (PIXELS[0, 0], "is not a picture"),
        (PIXELS.astype(np.int64), "an array of int64 is not a picture: give uint8"),
        (PIXELS > 3, "an array of bool is not a picture"),
        (PIXELS.astype(np.float32), "not from 0 to 1"),
        (PIXELS / 255 - 0.5, "not from 0 to 1"),
        (np.full((4, 4), np.nan), "not from 0 to 1"),
    ],
)
def test_what_is_no_picture_is_named(wrong: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        picture_inputs(wrong)


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError) as error:
        picture_inputs(["nothere.png", tmp_path / "empty", PIXELS, 3])  # type: ignore[list-item]
    assert len(error.value.findings) == 3
    assert "empty holds no pictures" in error.value.findings[1]


def test_what_cannot_be_decoded(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(png()[:60])
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder").mkdir()
    os.link(tmp_path / "pipe.png", tmp_path / "folder" / "pipe.png")
    for pictures, reason in (
        (tmp_path / "cut.png", "truncated|damaged|cannot be read"),
        (png()[:60], "truncated|damaged|cannot be read"),
        (b"", "the file is empty"),
        (tmp_path / "folder", "it is not a file, but a device, pipe or socket"),
        (png(np.zeros((101, 100), np.uint8)), "the limit is 10,000"),
    ):
        with pytest.raises(PictureError, match=reason):
            picture_inputs(pictures)[0].image(LIMIT)
