"""Read a table of text with a header line, such as CSV or TSV, and find its columns."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cardinet.base.documents import DocumentError, read_bytes
from cardinet.base.errors import RequestError, WorkError, nearest
from cardinet.data.findings import Finding
from cardinet.data.picture_formats import EXTENSIONS

LARGEST = 2**30
"""The most bytes of a table."""

DELIMITERS = (",", "\t", ";", "|")

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""The bytes at the beginning of a file that name its encoding."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table: its header, the cells of each row, the number of the line at which each row ends, and notes."""

    file: Path
    header: tuple[str, ...]
    rows: tuple[Sequence[str], ...]
    lines: tuple[int, ...]
    notes: tuple[Finding, ...] = ()

    def column(self, name: str, setting: str) -> int:
        """The place of the column that a setting names. Raises RequestError if the table has no such column."""
        if name not in self.header:
            raise RequestError(f"{self.file} has no column {setting} = {name!r} ({nearest(name, self.header)}).")
        return self.header.index(name)

    def usual_column(self, usual: Sequence[Sequence[str]], setting: str) -> int | None:
        """The place of the one column with a usual name; `usual` are groups of names, the most telling group first.

        Upper and lower case, spaces, _ and - make no difference. None if there is no such column. Raises WorkError if
        there are several of one group.
        """
        plain = [_plain(name) for name in self.header]
        for names in usual:
            found = [place for place, name in enumerate(plain) if name in names]
            if len(found) == 1:
                return found[0]
            if found:
                columns = " and ".join(self.header[place] for place in found)
                raise WorkError(f"{self.file} has the columns {columns}; choose one with --set {setting}=NAME.")
        return None

    def needed_column(self, name: str | None, kind: str, what: str, usual: Sequence[Sequence[str]]) -> int:
        """The place of the column that `data.KIND_column` names, or without `name` of the one with a usual name.

        `what` it holds is said where there is none. Raises RequestError as `column`, WorkError as `usual_column`, and
        if there is no such column.
        """
        setting = f"data.{kind}_column"
        place = self.usual_column(usual, setting) if name is None else self.column(name, setting)
        if place is None:
            raise WorkError(
                f"{self.file} has no column of {what} with a usual name ({', '.join(usual[0][:5])}, ...); its columns: "
                f"{', '.join(self.header)}. Name the column: --set {setting}=NAME."
            )
        return place


def read_table(file: Path) -> Table:
    """The table in a file.

    The encoding is UTF-8, with or without a mark at the beginning, UTF-16 with a mark, else Windows-1252, with a note.
    The delimiter (comma, tab, semicolon or bar) is the one that gives the header the most columns. Empty lines are left
    out. Raises WorkError if the file cannot be read, is no such table, or has no header or no rows.
    """
    try:
        content = read_bytes(file, LARGEST)
    except OSError as error:
        raise WorkError(f"{file} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise WorkError(f"{file} cannot be read: {error}.") from None
    text, notes = _decoded(file, content)
    header, rows, lines = _parsed(file, text)
    if any(cell.lower().endswith(EXTENSIONS) for cell in header):
        raise WorkError(
            f'{file} has no header: its first line is "{text.splitlines()[0][:80]}". Add a line with the names of the '
            "columns above it, such as file,label."
        )
    if double := next((name for name in header if name and header.count(name) > 1), None):
        raise WorkError(f"{file} has two columns called {double}; rename one of them.")
    if not rows:
        raise WorkError(f"{file} has no rows below its header.")
    return Table(file, header, tuple(rows), tuple(lines), notes)


def _decoded(file: Path, content: bytes) -> tuple[str, tuple[Finding, ...]]:
    marked = next((name for mark, name in MARKS if content.startswith(mark)), None)
    try:
        return content.decode(marked or "utf-8"), ()
    except UnicodeDecodeError as error:
        if marked is None:
            try:
                detail = f"it is not UTF-8 (byte {error.start:,}), so it is read as Windows-1252"
                return content.decode("cp1252"), (Finding(str(file), "", "encoding", detail, bad=False),)
            except UnicodeDecodeError:
                pass
        raise WorkError(f"{file} is not text (byte {error.start:,}); save it as CSV in UTF-8.") from None


def _parsed(file: Path, text: str) -> tuple[tuple[str, ...], list[Sequence[str]], list[int]]:
    """The header, the rows and the line at which each of them ends. Raises WorkError."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise WorkError(f"{file} is empty.")
    delimiter = max(DELIMITERS, key=lambda one: len(next(csv.reader([first], delimiter=one), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: tuple[str, ...] = ()
    rows: list[Sequence[str]] = []
    lines: list[int] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = tuple(cell.strip() for cell in cells)
                continue
            rows.append(cells)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise WorkError(f"{file} is not a readable table: line {reader.line_num:,}: {error}.") from None
    return header, rows, lines


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())
