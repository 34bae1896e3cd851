"""Read JSON and TOML within bounds. Every text that the program parses passes here, from a disk or a command line.

The result is plain data: text, whole numbers of 64 bits, finite numbers, true and false, None, lists and mappings.
`schemas` turns it into typed values.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.base.errors import WorkError


class DocumentError(ValueError):
    """What is wrong with a document, and where, as a clause: `results.test.count = -3: it should be 0 or more`."""


class OutOfBounds(DocumentError):
    """A correct document that is larger or deeper than this program reads, or has greater numbers."""


@dataclass(frozen=True)
class Bounds:
    """Limits of a document: `size` in bytes, `depth` in nested lists and mappings.

    With `finite=False` TOML's words inf and nan pass; a schema then refuses them and names the entry.
    """

    size: int = 2**28
    depth: int = 64
    finite: bool = True


BOUNDS = Bounds()
LARGEST = 2**63
"""Whole numbers have 64 bits, as in TOML: from -LARGEST to LARGEST - 1."""

_DIGITS = 19
_NO_KEY = re.compile(
    r"\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'{3}[\s\S]*?(?:'{3}|\Z)|\"(?:\\.|[^\"\\\n])*+\"?|'[^'\n]*+'?|#[^\n]*+"
)
"""Strings and comments. Strings without an end match too, so that one pass over a text is enough."""

_DOTS = r"(?<![\w'-])(?:(?:[\w-]++|'')[ \t]*+\.[ \t]*+){%d}"


def parse_json(text: str | bytes, bounds: Bounds = BOUNDS) -> Any:
    """Parse a JSON text. Python's NaN and Infinity become None, as JSON has no word for them.

    Raises DocumentError if the text is not JSON, OutOfBounds if it exceeds `bounds`.
    """
    decoded = _decoded(text, bounds)
    try:
        document = json.loads(decoded, parse_int=_whole, parse_constant=lambda word: None)
    except RecursionError:
        raise OutOfBounds(_too_deep(bounds)) from None
    except DocumentError:
        raise
    except ValueError as error:
        raise DocumentError(f"it is not JSON: {_lowered(error)}") from None
    return _within(document, bounds)


def parse_toml(text: str | bytes, bounds: Bounds = BOUNDS) -> dict[str, Any]:
    """Parse a TOML text. Raises DocumentError if it is not TOML, OutOfBounds if it exceeds `bounds`."""
    decoded = _decoded(text, bounds)
    if re.search(_DOTS % bounds.depth, _NO_KEY.sub("''", decoded)):  # tomllib's time grows with their square
        raise OutOfBounds(_too_deep(bounds))
    try:
        document = tomllib.loads(decoded, parse_float=float)
    except RecursionError:
        raise OutOfBounds(_too_deep(bounds)) from None
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(f"it is not TOML: {_lowered(error)}") from None
    except ValueError:  # Python's own limit on the digits of a number
        raise OutOfBounds("it has a whole number of more than 64 bits") from None
    _within(document, bounds)
    return document


def read_bytes(path: Path, size: int = BOUNDS.size) -> bytes:
    """The content of a file of at most `size` bytes.

    Raises OSError if the file cannot be read, OutOfBounds if it is larger, DocumentError if it is not a regular file:
    reading a pipe could wait forever, and a device has no end.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # the name has a NUL
        raise DocumentError(f"it is not a file name ({error})") from None
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise DocumentError("it is not a regular file")
        content = file.read(size + 1)
    if len(content) > size:
        raise OutOfBounds(f"it has more than {size:,} bytes")
    return content


def read_lines(path: Path, size: int = 2**26) -> list[str]:
    """The lines of a text file. Bytes that are not UTF-8 become U+FFFD.

    Raises WorkError if the file cannot be read, is not a regular file or has more than `size` bytes.
    """
    try:
        return read_bytes(path, size).decode("utf-8-sig", "replace").splitlines()
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise WorkError(f"{path} cannot be read: {error}.") from None


def to_json(document: Any, indent: int | None = None) -> str:
    """A document as JSON in ASCII. NaN and infinite numbers become null, as JSON has no word for them."""
    return json.dumps(finite(document), allow_nan=False, indent=indent)


def finite(value: Any) -> Any:
    """Plain data with None in place of NaN and infinite numbers."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _decoded(text: str | bytes, bounds: Bounds) -> str:
    if len(text) > bounds.size:
        raise OutOfBounds(f"it has more than {bounds.size:,} bytes")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not text in UTF-8 (byte {error.start:,})") from None


def _whole(digits: str) -> int:
    """A whole number of JSON. Its digits are counted first: Python's time grows with the square of their number."""
    if len(digits.lstrip("-")) > _DIGITS:
        raise OutOfBounds(f"{digits[:_DIGITS]}... is a whole number of more than 64 bits")
    return int(digits)


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:].rstrip(".")


def _too_deep(bounds: Bounds) -> str:
    return f"its lists and tables are nested more than {bounds.depth} deep"


def _within(document: Any, bounds: Bounds) -> Any:
    """The document, checked level by level. Raises DocumentError and OutOfBounds."""
    level = [document]
    for depth in range(bounds.depth + 1):
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is dict or kind is list:
                if depth == bounds.depth:
                    raise OutOfBounds(_too_deep(bounds))
                below.extend(value if kind is list else value.values())
            elif kind is int:
                if not -LARGEST <= value < LARGEST:
                    raise OutOfBounds(f"{_place(document, value)}it is a whole number of more than 64 bits")
            elif kind is float:
                if bounds.finite and not math.isfinite(value):
                    raise OutOfBounds(f"{_place(document, value)}it is not a finite number")
            elif kind not in (str, bool, type(None)):
                raise DocumentError(f"{_place(document, value)}a {kind.__name__} cannot stand here")
        level = below
    return document


def _place(document: Any, wanted: Any) -> str:
    """The place of a value in a document, `a.3.b: `; empty if the value is the whole document."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if value is wanted:
            return f"{path[1:]}: " if path else ""
        waiting += [(f"{path}.{key}", item) for key, item in _items(value)]
    return ""


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
