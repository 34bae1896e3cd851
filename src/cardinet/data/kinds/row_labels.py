"""Labels of files of rows: numbers with class names in each file, or the names themselves, brought into one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cardinet.base.documents import DocumentError, parse_json
from cardinet.base.errors import RequestError, WorkError, nearest
from cardinet.base.schemas import Document, conform
from cardinet.data.kinds.class_numbers import number_names
from cardinet.data.kinds.row_file import RowFile
from cardinet.data.labelling import Labels

LABELS = ("label", "labels", "fine_label")


@dataclass(frozen=True, eq=False)
class FileLabels:
    """The labels of one file's rows (-1 for a row without a label), and the class names of the numbers.

    `names` is None if the file does not state them. `sorted_names` says that they are the sorted values of the rows,
    not a list in the file.
    """

    file: Path
    labels: Labels
    names: tuple[str, ...] | None
    sorted_names: bool = False

    @property
    def unlabelled(self) -> bool:
        """Whether no row has a label."""
        return bool((self.labels < 0).all())


def label_column(file: RowFile, column: str | None, *, needed: bool) -> str | None:
    """The column of labels: the given one, or one with a usual name. None without one, unless it is `needed`.

    Raises RequestError if a given column is missing and needed, WorkError if there is none with a usual name.
    """
    names = file.schema.names
    found = column if column in names else None
    if column is None:
        found = next((name for name in LABELS if name in names), None)
    if found is not None or not needed:
        return found
    if column is not None:
        raise RequestError(f"{file.path} has no column data.label_column = {column!r} ({nearest(column, names)}).")
    raise WorkError(f"{file.path} has no column of labels ({', '.join(LABELS)}); its columns: {', '.join(names)}.")


def read_labels(file: RowFile, *, needed: bool, column: str | None = None) -> FileLabels:
    """The labels of a file, in `column` or one with a usual name: integers of any width, true and false, or text.

    Without the column all labels are -1, unless they are `needed`. Raises RequestError if a given column is missing and
    needed, WorkError if there is none with a usual name, or if it has another type.
    """
    path, found = file.path, label_column(file, column, needed=needed)
    if found is None:
        return FileLabels(path, np.full(file.rows, -1, dtype=np.int64), None)
    kind = file.schema.field(found).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    try:
        values = file.read(found).cast(value)
        if pa.types.is_string(value) or pa.types.is_large_string(value):
            return _named(path, values)
        if not (pa.types.is_integer(value) or pa.types.is_boolean(value) or pa.types.is_null(value)):
            several = "; for several labels of a picture: --set data.labels=list" if pa.types.is_nested(value) else ""
            raise WorkError(f"{path}: the column {found} is {kind}, not labels (integers or names){several}.")
        numbers = np.asarray(values.cast(pa.int64()).fill_null(-1).to_numpy(), dtype=np.int64)
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    return FileLabels(path, numbers, stated_names(file.schema, found))


def _named(file: Path, values: pa.ChunkedArray) -> FileLabels:
    words = values.to_pylist()
    names = tuple(sorted({word for word in words if word is not None}))
    number = {name: i for i, name in enumerate(names)}
    labels = np.array([-1 if word is None else number[word] for word in words], dtype=np.int64)
    return FileLabels(file, labels, names, sorted_names=True)


class _Feature(Document, extra="ignore"):
    """The description of a column of labels, or of lists of labels."""

    names: tuple[str | int, ...] | None = None
    feature: _Feature | None = None


def stated_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """The class names in the description that Hugging Face's library writes beside the schema."""
    try:
        features = parse_json((schema.metadata or {})[b"huggingface"])["info"]["features"]
        feature: _Feature = conform(_Feature, features[column])
    except (KeyError, TypeError, DocumentError):
        return None
    names = feature.names or (feature.feature.names if feature.feature is not None else None)
    return None if names is None else tuple(str(name) for name in names)


def in_common(
    read: Mapping[str, Sequence[FileLabels]],
) -> tuple[tuple[str, ...], dict[str, Labels], dict[str, tuple[str, ...]]]:
    """The classes of the train files, the labels of each split as indices of them, and names that are not among them.

    The names of a file apply to its own numbers, as another file may number its classes in another order. If no file
    has names, the numbers are the classes. A number without a name stays a number that is not a class. Raises WorkError
    if only some of the files name their classes.
    """
    files = [one for some in read.values() for one in some if (one.labels >= 0).any()]
    named = [one for one in files if one.names is not None]
    if not named:
        most, file = max(((int(one.labels.max(initial=-1)), one.file) for one in read["train"]), default=(-1, None))
        return number_names(most + 1, str(file)), {k: _joined([o.labels for o in some]) for k, some in read.items()}, {}
    if len(named) < len(files):
        without = next(one for one in files if one.names is None)
        raise WorkError(
            f"{without.file} does not state the names of its classes, but {named[0].file} does; the numbers alone "
            "cannot be compared. Write the names into both, or into none."
        )
    classes = _classes(read["train"])
    labels: dict[str, Labels] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    for split, some in read.items():
        labels[split] = _joined([_placed(one, classes) for one in some])
        if strangers := dict.fromkeys(name for one in some for name in _used(one) if name not in classes):
            unknown[split] = tuple(strangers)
    return classes, labels, unknown


def _classes(train: Sequence[FileLabels]) -> tuple[str, ...]:
    """The names that the files state: those of the first file, then names that only others use; values are sorted."""
    stated = [one.names for one in train if one.names is not None and not one.sorted_names]
    return agreed_classes(stated, [name for one in train for name in _used(one)])


def agreed_classes(stated: Sequence[tuple[str, ...]], used: Sequence[str]) -> tuple[str, ...]:
    """The names that the train files state: those of the first file, then names that are used too; else the used ones,
    sorted.
    """
    return tuple(dict.fromkeys([*stated[0], *used]) if stated else sorted({*used}))


def _used(one: FileLabels) -> list[str]:
    """The names that occur in the rows of a file."""
    names = one.names or ()
    return [names[i] for i in np.unique(one.labels) if 0 <= i < len(names)]


def _placed(one: FileLabels, classes: tuple[str, ...]) -> Labels:
    if one.names is None or one.names == classes:
        return one.labels
    place = {name: i for i, name in enumerate(classes)}
    table = np.array([place.get(name, -1) for name in one.names], dtype=np.int64)
    known = (one.labels >= 0) & (one.labels < len(table))
    outside = np.where(one.labels < 0, one.labels, np.maximum(one.labels, len(classes)))
    return np.where(known, table[np.where(known, one.labels, 0)], outside)


def _joined(labels: Sequence[Labels]) -> Labels:
    return np.concatenate([np.empty(0, np.int64), *labels])
