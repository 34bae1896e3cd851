"""Lists of labels of files of rows: numbers with class names in each file, or the names themselves, in one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.kinds.class_numbers import number_names
from cardinet.data.kinds.row_file import RowFile
from cardinet.data.kinds.row_labels import agreed_classes, label_column, stated_names
from cardinet.data.labelling import Labels
from cardinet.data.labelling.several import matrix

MANY = 3
"""The faults that are named; the others are counted."""


@dataclass(frozen=True, eq=False)
class FileLists:
    """The labels of one file's rows as lists of names; None in the place of a list: the row's labels are unknown.

    `stated` are the names in the file's own order, or None if it states none; `numbers` says that its labels are
    numbers without names.
    """

    file: Path
    lists: tuple[tuple[str, ...] | None, ...]
    stated: tuple[str, ...] | None
    numbers: bool

    @property
    def unlabelled(self) -> bool:
        """Whether no row has a list."""
        return all(one is None for one in self.lists)


def read_lists(file: RowFile, *, needed: bool, column: str | None = None) -> FileLists:
    """The lists of labels of a file, in `column` or one with a usual name: lists of whole numbers or of text.

    Without the column the labels are unknown, unless they are `needed`. Raises RequestError if a given column is
    missing and needed, WorkError if there is none with a usual name, if it holds no lists, and for rows whose list
    cannot be used: a number without a name, a label named twice, an empty value.
    """
    path, found = file.path, label_column(file, column, needed=needed)
    if found is None:
        return FileLists(path, (None,) * file.rows, None, False)
    kind = file.schema.field(found).type
    value = kind.value_type if _is_list(kind) else None
    if value is None or not (
        pa.types.is_integer(value) or pa.types.is_string(value) or pa.types.is_large_string(value)
    ):
        raise RequestError(
            f"{path}: the column {found} is {kind}, not lists of labels; with one label for each picture leave out "
            "data.labels."
        )
    try:
        values = file.read(found).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    stated = stated_names(file.schema, found) if pa.types.is_integer(value) else None
    lists, faults = [], []
    for row, one in enumerate(values):
        named, fault = _named(one, stated)
        lists.append(named)
        faults += [f"row {row:,} ({fault})"] if fault else []
    if faults:
        more = f" and {len(faults) - MANY:,} more" if len(faults) > MANY else ""
        raise WorkError(f"{path}: labels of {', '.join(faults[:MANY])}{more} cannot be used; correct them.")
    return FileLists(path, tuple(lists), stated, pa.types.is_integer(value) and stated is None)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _named(
    labels: Sequence[int | str | None] | None, stated: Sequence[str] | None
) -> tuple[tuple[str, ...] | None, str]:
    """The names in one list, and what is wrong with it, if anything is."""
    if labels is None:
        return None, ""
    if any(label is None for label in labels):
        return (), "an empty value"
    if twice := [label for label in labels if labels.count(label) > 1]:
        return (), f"{twice[0]} is named twice"
    if outside := [n for n in labels if isinstance(n, int) and (n < 0 or (stated is not None and n >= len(stated)))]:
        return (), f"{outside[0]} is no class"
    return tuple(str(one) if stated is None or isinstance(one, str) else stated[one or 0] for one in labels), ""


def lists_in_common(
    read: Mapping[str, Sequence[FileLists]],
) -> tuple[tuple[str, ...], dict[str, Labels], dict[str, tuple[str, ...]]]:
    """The classes of the train files, the labels of each split as marks of them, and names that are not among them.

    As `row_labels.in_common`. Raises WorkError if only some files name their classes, and for rows without a list in a
    split where others have one.
    """
    files = [one for some in read.values() for one in some if any(one.lists)]
    if any(one.numbers for one in files) and not all(one.numbers for one in files):
        without = next(one for one in files if one.numbers)
        named = next(one for one in files if not one.numbers)
        raise WorkError(
            f"{without.file} does not state the names of its classes, but {named.file} does; the numbers alone cannot "
            "be compared. Write the names into both, or into none."
        )
    for split, some in read.items():
        if unknown := [one for one in some if None in one.lists]:
            row = unknown[0].lists.index(None)
            raise WorkError(
                f"{unknown[0].file}: row {row:,} of {split} has no list of labels; write an empty list if the picture "
                "has none."
            )
    used = [name for one in read["train"] for labels in one.lists for name in labels or ()]
    if files and files[0].numbers:
        most, file = max(
            ((int(n), one.file) for one in read["train"] for some in one.lists for n in some or ()), default=(-1, None)
        )
        classes = number_names(most + 1, str(file))
    else:
        classes = agreed_classes([one.stated for one in read["train"] if one.stated is not None], used)
    number = {name: place for place, name in enumerate(classes)}
    found: dict[str, Labels] = {}
    strangers: dict[str, tuple[str, ...]] = {}
    for split, some in read.items():
        lists = [labels or () for one in some for labels in one.lists]
        found[split] = matrix([[number.get(name, -1) for name in labels] for labels in lists], len(classes))
        if others := tuple(dict.fromkeys(name for labels in lists for name in labels if name not in number)):
            strangers[split] = others
    return classes, found, strangers
