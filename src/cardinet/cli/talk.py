"""Messages to the user on stderr, and results on stdout, for every verb."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO

from cardinet.base.documents import finite
from cardinet.base.errors import Notice, once
from cardinet.base.terminal_text import escaped_json, shortened, visible

_told: set[str] = set()
"""The notices that this process has printed."""


def say(*lines: str) -> None:
    """Print sentences for the user on stderr, one per line."""
    draw("".join(f"{visible(line)}\n" for line in lines))


def show(*lines: str) -> None:
    """Print the requested result as lines on stdout."""
    print(*map(visible, lines), sep="\n", flush=True)


def draw(text: str) -> None:
    """Write to stderr. A closed terminal or pipe must not stop the work."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Discard the rest of a stream and all that follows, so that Python can exit without an error."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_streams() -> None:
    """Open each standard stream that the caller has closed, to nowhere. Else the first opened file would become stdout.

    A letter that the encoding of stdout lacks, for example in a file name, is written as \\u7334.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def errors(findings: Iterable[str]) -> None:
    """Print errors on stderr, one per line."""
    say(*(f"error: {shortened(finding)}" for finding in once(tuple(findings))))


@contextmanager
def notices() -> Iterator[None]:
    """Print the notices of the lower rooms, each once."""
    usual = warnings.showwarning

    def tell(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, Notice):
            usual(message, category, *place, **more)
        elif (text := str(message)) not in _told:
            _told.add(text)
            say(f"note: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        warnings.showwarning = tell
        yield


def print_json(document: Any) -> None:
    """Print one JSON document on stdout. NaN and infinite numbers become null, as JSON cannot write them."""
    text = escaped_json(json.dumps(finite(document), ensure_ascii=False, allow_nan=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        text = json.dumps(finite(document), allow_nan=False)
    print(text, flush=True)


def show_table(columns: Mapping[str, Literal["left", "right"]], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: its columns with the side on which they stand, and the cells of each row."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title, side in columns.items():
        table.add_column(title, justify=side)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(width=100).print(table)


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
