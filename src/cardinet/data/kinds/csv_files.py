"""A table of pictures: `csv:FILE` names a picture file and its label in each row."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.data.findings import Finding
from cardinet.data.kinds.class_problems import class_problems, count_problems
from cardinet.data.kinds.csv_table import Table, read_table
from cardinet.data.kinds.split_names import split_of
from cardinet.data.picture_formats import EXTENSIONS
from cardinet.data.source_listing import Listing, Paths, SplitPictures, fingerprint

PICTURES = (
    ("file", "files", "filename", "filepath", "path", "image", "imagefile", "imagepath", "imagename", "img", "picture"),
    ("id", "imageid", "imgid"),
)
LABELS = (("label", "labels", "class", "classname", "target", "category"),)
SPLITS = (("split", "subset", "partition"),)

SHOWN = 3
"""The rows of one kind of fault that are named; the others are counted."""

FAULTS = {
    "wrong-row": "the row does not have as many cells as the header; quote cells that hold the delimiter",
    "no-file": "the row names no file",
    "no-label": "the row has no label; write one, or remove the row",
    "unknown-split": "the split is none of train, validation and test",
    "missing-file": "there is no such file; correct the path, or name the pictures' folder: --set data.root=FOLDER",
    "two-labels": "an earlier row gives the same file another label; keep one of them",
    "duplicate-row": "an earlier row names the same file; remove one of them",
}


@dataclass
class _Faults:
    """The faults of rows by kind: the place of each, such as `line 7 (ant/3.jpg)`."""

    file: Path
    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, line: int, what: str = "") -> None:
        self.places[kind].append(f"line {line:,} ({what})" if what else f"line {line:,}")

    def findings(self, harmless: Sequence[str]) -> list[Finding]:
        """One finding for each kind. It names the first rows and counts the others."""
        found = []
        for kind, words in FAULTS.items():
            if places := self.places.get(kind):
                more = [f"and {len(places) - SHOWN:,} more"] if len(places) > SHOWN else []
                end = "; left out (on_bad_image = skip)" if kind in harmless else ""
                detail = f"{', '.join([*places[:SHOWN], *more])}: {words}{end}"
                found.append(Finding(str(self.file), "", kind, detail, bad=kind not in harmless))
        return found


@dataclass(frozen=True)
class _Row:
    """A usable row: the path of its file below the root, the file's bytes (-1 if it is missing), label and split."""

    line: int
    path: str
    size: int
    label: str
    split: str


@dataclass(frozen=True)
class _Columns:
    """The places of the columns in a row; without a split column every row is a train row."""

    picture: int
    label: int
    split: int | None


def list_csv(
    text: str,
    *,
    picture_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    root: str | None = None,
    on_bad_image: str = "fail",
) -> Listing:
    """The pictures that a table (CSV, TSV; `read_table`) names, one a row, with their labels.

    The columns are those with a usual name, or the given ones. Paths start at the table's folder, or at `root`; a file
    without a picture's suffix may lack it (`id` columns). Classes are sorted: as numbers if all labels are whole
    numbers, else as text. A table with splits keeps them; one without is divided like class folders. Faults of rows are
    problems of the listing, one for each kind; missing files are left out with `on_bad_image` "skip". Raises
    RequestError for a path that is no file and for columns that the table does not have, WorkError if it cannot be read
    or its columns have no usual names.
    """
    table, base = _opened(text), _base(text, root)
    columns = _columns(table, picture_column, label_column, split_column)
    faults = _Faults(table.file)
    rows = _rows(table, columns, base, faults)
    entries = [f"{row.split}\t{row.path}\t{row.size}\t{row.label}" for row in rows]
    rows = [row for row in rows if row.size >= 0]
    train = {row.label for row in rows if row.split == "train"}
    classes = tuple(sorted(train, key=int) if all(map(_is_whole, train)) else sorted(train))
    number = {name: place for place, name in enumerate(classes)}
    problems = [*table.notes, *faults.findings(("missing-file",) if on_bad_image == "skip" else ())]
    parts: dict[str, SplitPictures] = {}
    for split in ("train", "validation", "test"):
        own = [row for row in rows if row.split == split]
        if not own and split != "train":
            continue
        paths = Paths(base, [row.path for row in own])
        labels = np.array([number.get(row.label, -1) for row in own], dtype=np.int64)
        parts[split] = SplitPictures(paths, labels, encoded=paths)
        unknown = tuple(dict.fromkeys(row.label for row in own if row.label not in number))
        problems += class_problems(split, parts[split], classes, unknown, f"rows of {table.file}")
    if rows or not any(problem.bad for problem in problems):  # a table without a usable row has said why
        problems += count_problems(str(table.file), classes, parts)
    return Listing(classes, parts, fingerprint(classes, entries), tuple(problems), unsplit=len(parts) == 1)


def pictures_in_csv(text: str, picture_column: str | None = None, root: str | None = None) -> list[Path]:
    """The files that a table names, for a prediction; it needs no labels. Raises as `list_csv` does."""
    table, base = _opened(text), _base(text, root)
    place = _picture_column(table, picture_column)
    faults, folder = _Faults(table.file), _Folder(base)
    found = []
    for line, cells in zip(table.lines, table.rows, strict=True):
        cell = cells[place].strip() if len(cells) > place else ""
        path, size = folder.file(cell)
        if not cell or size < 0:
            faults.add("missing-file" if cell else "no-file", line, cell)
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


def _columns(table: Table, picture: str | None, label: str | None, split: str | None) -> _Columns:
    """The columns by setting or usual name. Raises RequestError or WorkError with all that are missing."""
    findings = Findings()
    places: dict[str, int | None] = {}
    with findings:
        places["picture"] = _picture_column(table, picture)
    with findings:
        if label is not None:
            places["label"] = table.column(label, "data.label_column")
        else:
            places["label"] = table.usual_column(LABELS, "data.label_column")
            if places["label"] is None:
                raise _not_found(table, "labels", LABELS, "label")
    with findings:
        setting = "data.split_column"
        places["split"] = table.usual_column(SPLITS, setting) if split is None else table.column(split, setting)
    findings.raise_if_any()
    found, labels = places["picture"], places["label"]
    assert found is not None
    assert labels is not None
    return _Columns(found, labels, places["split"])


def _picture_column(table: Table, name: str | None) -> int:
    if name is not None:
        return table.column(name, "data.picture_column")
    place = table.usual_column(PICTURES, "data.picture_column")
    if place is None:
        raise _not_found(table, "file names", PICTURES, "picture")
    return place


def _not_found(table: Table, what: str, usual: Sequence[Sequence[str]], kind: str) -> WorkError:
    return WorkError(
        f"{table.file} has no column of {what} with a usual name ({', '.join(usual[0][:5])}, ...); its columns: "
        f"{', '.join(table.header)}. Name the column: --set data.{kind}_column=NAME."
    )


def _rows(table: Table, columns: _Columns, base: Path, faults: _Faults) -> list[_Row]:
    """The rows without faults, and those whose file is missing. The other faults are added to `faults`."""
    found: list[_Row] = []
    first: dict[str, _Row] = {}
    folder = _Folder(base)
    for line, cells in zip(table.lines, table.rows, strict=True):
        if len(cells) < len(table.header) or any(cell.strip() for cell in cells[len(table.header) :]):
            faults.add("wrong-row", line, f"{len(cells)} cells, the header has {len(table.header)}")
            continue
        cell, label = cells[columns.picture].strip(), cells[columns.label].strip()
        split = "train" if columns.split is None else split_of(cells[columns.split])
        for kind, wrong in (("no-file", not cell), ("no-label", not label), ("unknown-split", split is None)):
            if wrong:
                named = cells[columns.split or 0].strip() if kind == "unknown-split" else cell
                faults.add(kind, line, named)
        if not cell or not label or split is None:
            continue
        row = _Row(line, *folder.file(cell), label, split)
        if row.size < 0:
            faults.add("missing-file", line, cell)
        twin = first.setdefault(row.path, row)
        if twin.label != label:
            faults.add("two-labels", line, f"{cell} is {label}, and {twin.label} in line {twin.line:,}")
        elif twin is not row:
            faults.add("duplicate-row", line, f"{cell}, as line {twin.line:,}")
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


def _is_whole(label: str) -> bool:
    return label.isascii() and label.removeprefix("-").isdigit() and len(label) < 19
