"""What every verb says to the user on stderr, and prints on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TextIO


def say(text: str) -> None:
    """A sentence for the user, on stderr."""
    to_stderr(text + "\n")


def to_stderr(text: str) -> None:
    """Write to stderr as it is. That nobody can read it (a closed terminal or pipe) must not stop the work."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, to nowhere, so that Python can leave in silence."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def errors(findings: Iterable[str]) -> None:
    """What was wrong, one line each, on stderr."""
    for finding in findings:
        say(f"error: {finding}")


def print_json(document: Any) -> None:
    """One JSON document on stdout; a number that is none (NaN, infinite) is null, as JSON has no word for it."""
    print(json.dumps(_finite(document), ensure_ascii=False, allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def thousands(number: int) -> str:
    """An exact count with separators: 25,028,904."""
    return f"{number:,}"


def in_short(number: float) -> str:
    """A count to four digits with its unit: 4.230 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:g}"


def duration(seconds: float) -> str:
    """Seconds in words of a clock: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
