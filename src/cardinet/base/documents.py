"""JSON and TOML within bounds. Every text that the program parses comes through here, from a disk or a command line.

What comes out is plain data: text, whole numbers of 64 bits, finite numbers, true and false, None, lists and mappings.
`schemas` makes typed values of it.
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
    """A document that is well written, and larger, deeper or with greater numbers than this program reads."""


@dataclass(frozen=True)
class Bounds:
    """How much of a document is read: `size` in bytes, `depth` in lists and mappings within each other.

    Without `finite` TOML's words inf and nan are let through, for a schema to refuse them by their name.
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
"""Strings, also those without an end, so that one look at a text is enough, and comments."""

_DOTS = r"(?<![\w'-])(?:(?:[\w-]++|'')[ \t]*+\.[ \t]*+){%d}"


def parse_json(text: str | bytes, bounds: Bounds = BOUNDS) -> Any:
    """The document in a JSON text. Python's NaN and Infinity, for which JSON has no word, are None.

    Raises DocumentError for what is no JSON, OutOfBounds for what is more than `bounds`.
    """
    decoded = _decoded(text, bounds)
    try:
        document = json.loads(decoded, parse_int=_whole, parse_constant=lambda word: None)
    except RecursionError:
        raise OutOfBounds(_too_deep(bounds)) from None
    except DocumentError:
        raise
    except ValueError as error:
        raise DocumentError(f"it is no JSON: {_lowered(error)}") from None
    return _within(document, bounds)


def parse_toml(text: str | bytes, bounds: Bounds = BOUNDS) -> dict[str, Any]:
    """The document in a TOML text. Raises DocumentError for what is no TOML, OutOfBounds for more than `bounds`."""
    decoded = _decoded(text, bounds)
    if re.search(_DOTS % bounds.depth, _NO_KEY.sub("''", decoded)):  # tomllib takes the square of their number
        raise OutOfBounds(_too_deep(bounds))
    try:
        document = tomllib.loads(decoded, parse_float=float)
    except RecursionError:
        raise OutOfBounds(_too_deep(bounds)) from None
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(f"it is no TOML: {_lowered(error)}") from None
    except ValueError:  # Python's own limit on the digits of a number
        raise OutOfBounds("it has a whole number of more than 64 bits") from None
    _within(document, bounds)
    return document


def read_bytes(path: Path, size: int = BOUNDS.size) -> bytes:
    """A whole file of at most `size` bytes.

    Raises OSError where it cannot be read, OutOfBounds for a larger one, DocumentError for what is no regular file: a
    pipe would be waited for, and a device has no end.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a NUL
        raise DocumentError(f"it is no name of a file ({error})") from None
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise DocumentError("it is no regular file")
        content = file.read(size + 1)
    if len(content) > size:
        raise OutOfBounds(f"it has more than {size:,} bytes")
    return content


def read_lines(path: Path, size: int = 2**26) -> list[str]:
    """The lines of a text; what is no UTF-8 in it stands as a sign for that.

    Raises WorkError where it cannot be read, is no regular file or has more than `size` bytes.
    """
    try:
        return read_bytes(path, size).decode("utf-8-sig", "replace").splitlines()
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise WorkError(f"{path} cannot be read: {error}.") from None


def to_json(document: Any, indent: int | None = None) -> str:
    """A document as JSON in ASCII. A number that is none (NaN, infinite) is null, as JSON has no word for it."""
    return json.dumps(finite(document), allow_nan=False, indent=indent)


def finite(value: Any) -> Any:
    """Plain data with None for numbers that are none."""
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
        raise DocumentError(f"it is no text in UTF-8 (byte {error.start:,})") from None


def _whole(digits: str) -> int:
    """A whole number of JSON, counted before it is read: Python takes the square of the digits' number."""
    if len(digits.lstrip("-")) > _DIGITS:
        raise OutOfBounds(f"{digits[:_DIGITS]}... is a whole number of more than 64 bits")
    return int(digits)


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:].rstrip(".")


def _too_deep(bounds: Bounds) -> str:
    return f"its lists and tables are nested more than {bounds.depth} deep"


def _within(document: Any, bounds: Bounds) -> Any:
    """The document, looked through level by level. Raises DocumentError and OutOfBounds."""
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
                    raise OutOfBounds(f"{_place(document, value)}it is no finite number")
            elif kind not in (str, bool, type(None)):
                raise DocumentError(f"{_place(document, value)}a {kind.__name__} has no place here")
        level = below
    return document


def _place(document: Any, wanted: Any) -> str:
    """Where a value stands: `a.3.b: `; nothing where it is the whole document."""
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
