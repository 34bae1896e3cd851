"""A table of pictures: `csv:FILE` names a picture file and its label in each row."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cardinet.base.errors import Findings, RequestError
from cardinet.data.kinds.class_problems import class_problems, count_problems
from cardinet.data.kinds.csv_labels import Asked, LabelCells, label_cells
from cardinet.data.kinds.csv_table import Table, read_table
from cardinet.data.kinds.faults import Faults
from cardinet.data.kinds.split_names import split_of
from cardinet.data.kinds.text_labels import is_whole
from cardinet.data.labelling import Labels
from cardinet.data.labelling.several import NO_LABEL, matrix
from cardinet.data.picture_formats import EXTENSIONS
from cardinet.data.source_listing import Listing, Paths, SplitPictures, fingerprint

PICTURES = (
    ("file", "files", "filename", "filepath", "path", "image", "imagefile", "imagepath", "imagename", "img", "picture"),
    ("id", "imageid", "imgid"),
)
SPLITS = (("split", "subset", "partition"),)

FAULTS = {
    "wrong-row": "the row does not have as many cells as the header; quote cells that hold the delimiter",
    "no-file": "the row names no file",
    "no-label": "the row has no label; write one, or remove the row",
    "twice-named": "the row names a label twice; remove one of them",
    "no-mark": "the cell is neither 0 nor 1; name the columns of the classes: --set data.label_column=A,B",
    "unknown-split": "the split is none of train, validation and test",
    "missing-file": "there is no such file; correct the path, or name the pictures' folder: --set data.root=FOLDER",
    "two-labels": "an earlier row gives the same file another label; keep one of them",
    "duplicate-row": "an earlier row names the same file; remove one of them",
}


class _Faults(Faults):
    """The faults of rows by kind."""

    def at(self, kind: str, line: int, what: str = "") -> None:
        """Add a fault of the row that ends at a line."""
        self.add(kind, f"line {line:,} ({what})" if what else f"line {line:,}")


@dataclass(frozen=True)
class _Row:
    """A usable row: the path of its file below the root, the file's bytes (-1 if it is missing), labels and split."""

    line: int
    path: str
    size: int
    labels: tuple[str, ...]
    split: str


@dataclass(frozen=True)
class _Columns:
    """The places of the columns in a row; without a split column every row is a train row."""

    picture: int
    labels: LabelCells
    split: int | None


def list_csv(
    text: str,
    *,
    picture_column: str | None = None,
    label_column: str | None = None,
    labels: str = "one",
    label_separator: str | None = None,
    split_column: str | None = None,
    root: str | None = None,
    on_bad_image: str = "fail",
) -> Listing:
    """The pictures that a table (CSV, TSV; `read_table`) names, one a row, with their labels.

    The columns are those with a usual name, or the given ones. `labels` says how labels are written (`csv_labels`).
    Paths start at the table's folder, or at `root`; a file without a picture's suffix may lack it (`id` columns).
    Classes are those that the table states, or else sorted: as numbers if all labels are whole numbers, else as text. A
    table with splits keeps them; one without is divided like class folders. Faults of rows are problems of the listing,
    one for each kind; missing files are left out with `on_bad_image` "skip". Raises RequestError for a path that is no
    file and for columns that the table does not have, WorkError if it cannot be read or its columns have no usual
    names.
    """
    table, base = _opened(text), _base(text, root)
    columns = _columns(table, picture_column, split_column, partial(Asked, labels, label_column, label_separator))
    faults = _Faults(str(table.file), FAULTS)
    rows = _rows(table, columns, base, faults)
    entries = [f"{row.split}\t{row.path}\t{row.size}\t{_written(row.labels, columns.labels)}" for row in rows]
    rows = [row for row in rows if row.size >= 0]
    classes = columns.labels.classes() or _sorted({name for row in rows if row.split == "train" for name in row.labels})
    problems = [*table.notes, *faults.findings(("missing-file",) if on_bad_image == "skip" else ())]
    problems += columns.labels.findings(table)
    parts: dict[str, SplitPictures] = {}
    for split in ("train", "validation", "test"):
        own = [row for row in rows if row.split == split]
        if not own and split != "train":
            continue
        paths = Paths(base, [row.path for row in own])
        parts[split] = SplitPictures(paths, _numbers(own, classes, columns.labels), encoded=paths)
        unknown = tuple(dict.fromkeys(name for row in own for name in row.labels if name not in classes))
        problems += class_problems(split, parts[split], classes, unknown, f"rows of {table.file}")
    if rows or not any(problem.bad for problem in problems):  # a table without a usable row has said why
        problems += count_problems(str(table.file), classes, parts)
    return Listing(classes, parts, fingerprint(classes, entries), tuple(problems), unsplit=len(parts) == 1)


def _sorted(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=int) if all(map(is_whole, names)) else sorted(names))


def _written(names: tuple[str, ...], cells: LabelCells) -> str:
    """The labels of a row in the fingerprint."""
    return repr(sorted(names)) if cells.several else names[0]


def _numbers(rows: Sequence[_Row], classes: tuple[str, ...], cells: LabelCells) -> Labels:
    """The labels of rows; a name that is no class is -1, or is left out where a picture has several."""
    number = {name: place for place, name in enumerate(classes)}
    lists = [[number.get(name, -1) for name in row.labels] for row in rows]
    return matrix(lists, len(classes)) if cells.several else np.array([one for (one,) in lists], dtype=np.int64)


def pictures_in_csv(text: str, picture_column: str | None = None, root: str | None = None) -> list[Path]:
    """The files that a table names, for a prediction; it needs no labels. Raises as `list_csv` does."""
    table, base = _opened(text), _base(text, root)
    place = table.needed_column(picture_column, "picture", "file names", PICTURES)
    faults, folder = _Faults(str(table.file), FAULTS), _Folder(base)
    found = []
    for line, cells in zip(table.lines, table.rows, strict=True):
        cell = cells[place].strip() if len(cells) > place else ""
        path, size = folder.file(cell)
        if not cell or size < 0:
            faults.at("missing-file" if cell else "no-file", line, cell)
        found.append(base / path)
    if problems := faults.findings(()):
        raise RequestError(*(problem.sentence() for problem in problems))
    return list(dict.fromkeys(found))


def _opened(text: str) -> Table:
    file = Path(text).expanduser()
    if not file.exists():
        raise RequestError(f'There is no file "{text}".')
    if file.is_dir():
        raise RequestError(f"{text} is a folder; give a CSV file: csv:{text.rstrip('/')}/labels.csv.")
    return read_table(file)


def _base(text: str, root: str | None) -> Path:
    """The folder at which paths start. Raises RequestError if there is none."""
    base = Path(text).expanduser().parent / Path(root or "").expanduser()
    if not base.is_dir():
        raise RequestError(f"data.root = {root!r}: there is no folder {base}; it is seen from the table's folder.")
    return base


def _columns(
    table: Table, picture: str | None, split: str | None, labels: Callable[[frozenset[int]], Asked]
) -> _Columns:
    """The columns by setting or usual name. Raises RequestError or WorkError with all that are missing."""
    findings = Findings()
    places: dict[str, int | None] = {"picture": None, "split": None}
    cells: LabelCells | None = None
    with findings:
        places["picture"] = table.needed_column(picture, "picture", "file names", PICTURES)
    with findings:
        setting = "data.split_column"
        places["split"] = table.usual_column(SPLITS, setting) if split is None else table.column(split, setting)
    with findings:
        others = frozenset(place for place in places.values() if place is not None)
        cells = label_cells(table, labels(others))
    findings.raise_if_any()
    found = places["picture"]
    assert found is not None
    assert cells is not None
    return _Columns(found, cells, places["split"])


def _rows(table: Table, columns: _Columns, base: Path, faults: _Faults) -> list[_Row]:
    """The rows without faults, and those whose file is missing. The other faults are added to `faults`."""
    found: list[_Row] = []
    first: dict[str, _Row] = {}
    folder = _Folder(base)
    for line, cells in zip(table.lines, table.rows, strict=True):
        if len(cells) < len(table.header) or any(cell.strip() for cell in cells[len(table.header) :]):
            faults.at("wrong-row", line, f"{len(cells)} cells, the header has {len(table.header)}")
            continue
        cell, labels = cells[columns.picture].strip(), columns.labels.read(cells)
        split = "train" if columns.split is None else split_of(cells[columns.split])
        wrong = [("no-file", "")] if not cell else []
        wrong += [(labels.fault, labels.shown or cell)] if labels.fault else []
        wrong += [("unknown-split", cells[columns.split or 0].strip())] if split is None else []
        for kind, named in wrong:
            faults.at(kind, line, named)
        if wrong or split is None:
            continue
        row = _Row(line, *folder.file(cell), labels.names, split)
        if row.size < 0:
            faults.at("missing-file", line, cell)
        twin = first.setdefault(row.path, row)
        if set(twin.labels) != set(row.labels):
            here, there = (", ".join(one.labels) or NO_LABEL for one in (row, twin))
            faults.at("two-labels", line, f"{cell} is {here}, and {there} in line {twin.line:,}")
        elif twin is not row:
            faults.at("duplicate-row", line, f"{cell}, as line {twin.line:,}")
        else:
            found.append(row)
    return found


class _Folder:
    """The files that cells name, by path below a folder."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._stems: dict[str, dict[str, str]] = {}

    def file(self, cell: str) -> tuple[str, int]:
        """The path that a cell names, and the file's bytes; -1 if there is no such file.

        Backslashes of Windows and a missing suffix are understood, if the path as it is written names no file.
        """
        path = os.path.normpath(cell)
        if (size := _size(self.base / path)) >= 0:
            return path, size
        slashed = os.path.normpath(cell.replace("\\", "/"))
        whole = slashed if slashed.lower().endswith(EXTENSIONS) else self._with_suffix(slashed)
        if whole != path and (size := _size(self.base / whole)) >= 0:
            return whole, size
        return path, -1

    def _with_suffix(self, path: str) -> str:
        """The path with the suffix of the only picture that has this name without one."""
        folder, stem = os.path.split(path)
        if folder not in self._stems:
            stems = self._stems[folder] = dict[str, str]()
            names: list[str] = []
            with suppress(OSError):  # there is no such folder, or it cannot be read
                names = os.listdir(self.base / folder)
            for name in names:
                if name.lower().endswith(EXTENSIONS):
                    short = os.path.splitext(name)[0]
                    stems[short] = "" if short in stems else name
        return os.path.join(folder, self._stems[folder].get(stem) or stem)


def _size(path: Path) -> int:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1
