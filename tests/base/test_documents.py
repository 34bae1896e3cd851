"""Documents that are read back: within bounds, at once, and through a schema that names the place of what is wrong."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cardinet.base.documents import (
    Bounds,
    DocumentError,
    OutOfBounds,
    parse_json,
    parse_toml,
    read_bytes,
    read_lines,
    to_json,
)
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.schemas import Count, Document, conform, read_document
from cardinet.base.settings import parse_assignments, parse_value

MANY = 10**5
JSON = {
    "[" * MANY: "nested more than 64 deep",
    "[" * 65 + "]" * 65: "nested more than 64 deep",
    '{"a":' * MANY: "nested more than 64 deep",
    "1" * 5000: "1111111111111111111... is a whole number of more than 64 bits",
    f'{{"a": [0, {2**63}]}}': "a.1: it is a whole number of more than 64 bits",
    '{"a": {"b": -1e999}}': "a.b: it is not a finite number",
    '{"a" 1}': "it is not JSON: expecting ':' delimiter: line 1 column 6",
    "": "it is not JSON",
}
TOML = {
    "a = " + "[" * MANY: "nested more than 64 deep",
    ".".join("a" * MANY) + " = 1": "nested more than 64 deep",
    f"[{'.'.join('a' * MANY)}]": "nested more than 64 deep",
    "[" + "a . 'b'." * MANY: "nested more than 64 deep",
    "a = {" * MANY: "nested more than 64 deep",
    "a = " + "9" * 5000: "a whole number of more than 64 bits",
    "a = 0x" + "f" * MANY: "a: it is a whole number of more than 64 bits",
    "a = [1, inf]": "a.1: it is not a finite number",
    "a = 2020-01-01": "a: a date cannot stand here",
    "a = '''" + "x" * MANY: "it is not TOML",
    '"\\' * MANY: "it is not TOML",
    "a = [": "it is not TOML: invalid value (at end of document)",
}


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [(parse_json, text, message) for text, message in JSON.items()]
    + [(parse_toml, text, message) for text, message in TOML.items()],
    ids=[f"JSON {i}" for i in range(len(JSON))] + [f"TOML {i}" for i in range(len(TOML))],
)
def test_a_wrong_text_is_refused_at_once(parse: Callable[[str], Any], text: str, message: str) -> None:
    started = time.monotonic()
    with pytest.raises(DocumentError) as error:
        parse(text)
    assert message in str(error.value)
    assert len(str(error.value)) < 200
    assert time.monotonic() - started < 2


def test_what_is_within_the_bounds_is_read() -> None:
    assert parse_json("[" * 64 + "]" * 64) is not None
    assert parse_json(f'\ufeff[{2**63 - 1}, {-(2**63)}, "é", null, true, 1e308]'.encode()) == [
        *(2**63 - 1, -(2**63)),
        *("é", None, True, 1e308),
    ]
    dots = "x" + ".x" * 100
    assert parse_toml(f'a.b = "{dots}"  # {dots}\nc = """\n{dots}"""') == {"a": {"b": dots}, "c": dots}


def test_numbers_that_are_none_are_null() -> None:
    text = to_json({"a": [float("nan"), (float("inf"), 1)]})
    assert text == '{"a": [null, [null, 1]]}'
    assert parse_json('{"a": NaN, "b": -Infinity}') == {"a": None, "b": None}


def test_bytes_that_are_no_text_and_more_than_enough() -> None:
    with pytest.raises(DocumentError, match=r"not text in UTF-8 \(byte 1\)"):
        parse_json(b"1\xff")
    with pytest.raises(OutOfBounds, match="more than 10 bytes"):
        parse_toml("a = 1 # 456789", Bounds(size=10))


class Row(Document):
    name: str
    count: Count = 0


class Table(Document):
    rows: tuple[Row, ...]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"rows": [{"name": "a"}, {"name": "b", "count": -3}]}, r"rows\.1\.count = -3: Input should be greater"),
        ({"rows": [{"count": 2**62}]}, r'The entry "rows.0.name" is missing \(1 more like it\)'),
        ({"row": []}, 'The entry "rows" is missing'),
        ({"rows": [{"name": "x" * 10_000, "count": "x" * 10_000}]}, r"count = 'x{99}\.\.\.: Input"),
        ([], "should be a valid dictionary"),
        (None, "should be a valid dictionary"),
    ],
)
def test_what_does_not_fit_its_schema_is_said_with_its_place(document: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=message):
        conform(Table, document)
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(WorkError, match=rf"a\.json is damaged: .*{message}") as error:
        read_document(tmp_path / "a.json", Table)
    assert len(error.value.findings) == 1
    assert len(str(error.value)) < 500


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, Path("a\0b")):
        with pytest.raises((DocumentError, IsADirectoryError)):
            read_bytes(path)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "nothere")
    with pytest.raises(WorkError, match="nothere cannot be read: No such file"):
        read_document(tmp_path / "nothere", Table)


LONG = {"digits": "9" * 5000, "brackets": "[" * 3000, "hex": "0x" + "f" * 5000, "dots": "a." * MANY + "b"}
LONG["letters"] = "x" * 2**21


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_values_of_the_command_line_have_the_same_bounds(text: str) -> None:
    started = time.monotonic()
    if text.startswith("a."):
        text = f"1\n{text} = 1"
    with pytest.raises(RequestError, match=r"^lr = "):
        parse_assignments([f"lr={text}"])
    assert time.monotonic() - started < 2


def test_a_value_of_several_lines_is_text() -> None:
    assert parse_value("1\nb = 2") == "1\nb = 2"
    assert parse_value("[1,\n2]") == [1, 2]
    assert parse_value("2020-01-01") == "2020-01-01"


def test_lines_of_a_text_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa\nb\xff\r\n")
    assert read_lines(tmp_path / "a.txt") == ["a", "b\ufffd"]
    for path, message in ((tmp_path, "Is a directory"), (Path("/dev/zero"), "not a regular file")):
        with pytest.raises(WorkError, match=f"cannot be read: .*{message}"):
            read_lines(path)
    with pytest.raises(WorkError, match="more than 3 bytes"):
        read_lines(tmp_path / "a.txt", 3)
