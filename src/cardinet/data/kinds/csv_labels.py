"""The labels in a row of a table: the forms in which people write them, by the setting `data.labels`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field

from cardinet.base.errors import Findings, RequestError
from cardinet.data.findings import Finding
from cardinet.data.kinds.csv_table import Table

LABELS = (("label", "labels", "class", "classname", "target", "category"),)

SPACE = "space"
"""The word for a blank as separator, which a command line would cut off."""

SEPARATORS = ("|", ";", ",", " ")
"""The separators that people use: cells that hold one of these look like lists."""

MARKS = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": 0, "-1.0": 0}
"""What a mark says: 1 for a class that is in the picture. Some tables write -1 in place of 0."""


@dataclass(frozen=True)
class Read:
    """The labels of a row, or the kind of its fault and what is shown of it."""

    names: tuple[str, ...] = ()
    fault: str = ""
    shown: str = ""


class LabelCells:
    """The cells of a row that hold its labels. `several` says that a picture may have several labels, or none."""

    several = True

    def read(self, cells: Sequence[str]) -> Read:
        """The labels of a row."""
        raise NotImplementedError

    def classes(self) -> tuple[str, ...] | None:
        """The classes that the table states; None if they are the labels of its training rows."""
        return None

    def findings(self, table: Table) -> list[Finding]:
        """What is wrong with the cells of all rows together, once they were read."""
        return []


@dataclass(frozen=True)
class OneCell(LabelCells):
    """One label in one cell."""

    column: int
    several = False

    def read(self, cells: Sequence[str]) -> Read:
        label = cells[self.column].strip()
        return Read((label,)) if label else Read(fault="no-label")


@dataclass(frozen=True)
class ListCell(LabelCells):
    """Several labels in one cell, with a separator; an empty cell has none."""

    column: int
    separator: str

    def read(self, cells: Sequence[str]) -> Read:
        cell = cells[self.column].strip()
        return _each_once(cell.split(None if self.separator == " " else self.separator))

    def findings(self, table: Table) -> list[Finding]:
        cells = [row[self.column].strip() for row in table.rows if len(row) > self.column]
        if any(self.separator in cell for cell in cells):
            return []
        what = f"no cell of the column {table.header[self.column]} holds the separator {self.separator!r}"
        held = {other: sum(other in cell for cell in cells) for other in SEPARATORS if other != self.separator}
        other = next((one for one, count in held.items() if count), None)  # names may have spaces, so these come last
        if other is None:
            return [Finding(str(table.file), "", "no-separator", f"{what}: no picture has two labels", bad=False)]
        detail = f"{what}, and {held[other]:,} cells hold {other!r}; name the right one: --set data.label_separator"
        return [Finding(str(table.file), "", "no-separator", f"{detail}={_word(other)}", bad=True)]


@dataclass(frozen=True)
class SeveralCells(LabelCells):
    """A label in each of several cells; an empty one has none."""

    columns: tuple[int, ...]

    def read(self, cells: Sequence[str]) -> Read:
        return _each_once([cells[column] for column in self.columns])


@dataclass(frozen=True)
class MarkedCells(LabelCells):
    """A cell for each class, with 1 if the class is in the picture and 0 (or -1) if it is not."""

    columns: tuple[int, ...]
    names: tuple[str, ...]
    seen: set[str] = field(default_factory=set)

    def read(self, cells: Sequence[str]) -> Read:
        found = []
        for column, name in zip(self.columns, self.names, strict=True):
            mark = cells[column].strip().lower()
            if mark not in MARKS:
                return Read(fault="no-mark", shown=f"{name} = {cells[column].strip()!r}")
            self.seen.add(mark.removesuffix(".0"))
            if MARKS[mark]:
                found.append(name)
        return Read(tuple(found))

    def classes(self) -> tuple[str, ...]:
        return self.names

    def findings(self, table: Table) -> list[Finding]:
        if not {"0", "-1"} <= self.seen:
            return []
        detail = "the marks are 1, 0 and -1, so -1 may mean that a label is uncertain; write 0 or 1 in its place"
        return [Finding(str(table.file), "", "three-marks", detail, bad=True)]


def _each_once(parts: Sequence[str]) -> Read:
    names = [name for part in parts if (name := part.strip())]
    twice = next((name for name in names if names.count(name) > 1), None)
    return Read(tuple(names)) if twice is None else Read(fault="twice-named", shown=twice)


def _word(separator: str) -> str:
    return SPACE if separator == " " else f"'{separator}'"


@dataclass(frozen=True)
class Asked:
    """The settings about the labels of a table (`DataSettings`), and the places of its `others`, picture and split."""

    labels: str
    label_column: str | None
    label_separator: str | None
    others: frozenset[int]


def label_cells(table: Table, asked: Asked) -> LabelCells:
    """The cells with the labels, as they are asked for. Raises RequestError or WorkError if there are no such cells."""
    if asked.labels in ("one", "list"):
        column = table.needed_column(asked.label_column, "label", "labels", LABELS)
        return OneCell(column) if asked.labels == "one" else ListCell(column, _separator(table, column, asked))
    if asked.label_column is None and asked.labels == "columns":
        raise RequestError("data.labels = columns needs the names of the columns: --set data.label_column=A,B.")
    if asked.label_column is None:
        columns = tuple(place for place in range(len(table.header)) if place not in asked.others)
    else:
        columns = _named(table, [name.strip() for name in next(csv.reader([asked.label_column]))])
    if asked.labels == "columns":
        return SeveralCells(columns)
    return MarkedCells(columns, tuple(table.header[place] for place in columns))


def _named(table: Table, names: Sequence[str]) -> tuple[int, ...]:
    """The places of columns. Raises RequestError with all that the table does not have."""
    findings, places = Findings(), []
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        findings.errors.append(RequestError(f"data.label_column names {twice[0]} twice; name it once."))
    for name in names:
        with findings:
            places.append(table.column(name, "data.label_column"))
    findings.raise_if_any()
    return tuple(places)


def between(separator: str | None, usual: str = "") -> str:
    """The text between two labels by the setting, or the usual one. Raises RequestError if it is empty."""
    if separator is None:
        return usual
    if not separator:
        raise RequestError("data.label_separator is empty; give the text between two labels, or the word space.")
    return " " if separator.lower() == SPACE else separator


def _separator(table: Table, column: int, asked: Asked) -> str:
    """The separator of labels. Raises RequestError if none is given, with the one that the cells seem to have."""
    if asked.label_separator is not None:
        return between(asked.label_separator)
    cells = [row[column].strip() for row in table.rows if len(row) > column]
    seen = next(((one, cell) for one in SEPARATORS for cell in cells if one in cell), None)
    hint = "" if seen is None else f' A cell of {table.header[column]} is "{seen[1]:.60}".'
    given = "'|'" if seen is None else _word(seen[0])
    raise RequestError(
        f"data.labels = list needs the text between two labels: --set data.label_separator={given}.{hint}"
    )
