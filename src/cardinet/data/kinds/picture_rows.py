"""Files of rows with a column of pictures and a column of labels, as Hugging Face lays them out, read by pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from cardinet.base.errors import RequestError, WorkError, nearest
from cardinet.data.arrow import RowNames
from cardinet.data.findings import Finding
from cardinet.data.kinds.class_problems import class_problems, count_problems
from cardinet.data.kinds.row_file import RowFile
from cardinet.data.kinds.row_label_lists import lists_in_common, read_lists
from cardinet.data.kinds.row_labels import in_common, read_labels
from cardinet.data.source_listing import Encoded, Listing, SplitPictures, fingerprint

PICTURES = ("image", "img")

FORMS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "one": (read_labels, in_common),
    "list": (read_lists, lists_in_common),
}
"""How the labels of a file are read, and those of all files brought into one order, by the setting `labels`."""


Encode = Callable[[Sequence[Path], str], Encoded]
"""The pictures of some files, of a column, in order."""


def list_rows(
    text: str,
    base: Path,
    files: Mapping[str, Sequence[RowFile]],
    encode: Encode,
    *,
    picture_column: str | None = None,
    label_column: str | None = None,
    labels: str = "one",
) -> Listing:
    """The pictures of files of rows by split, "train" being one of them, with one label each or a list of them
    (`labels`).

    Every file has its own class names; all are brought into one order (`in_common`). A split without labels, such as
    published test pictures, is left out with a note. Raises RequestError for given columns that the files lack,
    WorkError for files that lack the columns with usual names, and for numbers without known class names.
    """
    if labels not in FORMS:
        raise RequestError(f"data.labels = {labels} is for csv:FILE; rows with several labels have a list: list.")
    read_file, joined = FORMS[labels]
    picture = picture_column_of(files["train"][0], picture_column)
    read = {s: [read_file(f, needed=s == "train", column=label_column) for f in some] for s, some in files.items()}
    problems = [
        _without_labels(split, files[split]) for split, some in read.items() if _unlabelled(split, files[split], some)
    ]
    read = {split: some for split, some in read.items() if not _unlabelled(split, files[split], some)}
    classes, found, unknown = joined(read)
    entries = [
        f"{split}\t{file.path.relative_to(base)}\t{file.path.stat().st_size}\t{file.rows}"
        for split in found
        for file in files[split]
    ]
    identity = fingerprint(classes, entries, *(found[split].tobytes() for split in sorted(found)))
    parts = {}
    for split, values in found.items():
        paths = [file.path for file in files[split]]
        names = RowNames(base, paths, [file.rows for file in files[split]])
        parts[split] = SplitPictures(names, values, encoded=encode(paths, picture))
        problems += class_problems(split, parts[split], classes, unknown.get(split, ()))
    problems += count_problems(text, classes, parts)
    return Listing(classes, parts, identity, problems=tuple(problems), unsplit=len(parts) == 1)


def picture_column_of(file: RowFile, asked: str | None) -> str:
    """The column of pictures. Raises RequestError or WorkError if it is missing or has another type."""
    names = file.schema.names
    if asked is not None and asked not in names:
        raise RequestError(f"{file.path} has no column data.picture_column = {asked!r} ({nearest(asked, names)}).")
    picture = asked or next((name for name in PICTURES if name in names), None)
    if picture is None:
        raise WorkError(
            f"{file.path} has no column of pictures ({' or '.join(PICTURES)}); its columns: {', '.join(names)}."
        )
    kind = file.schema.field(picture).type
    has_bytes = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    if not (has_bytes or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise WorkError(f"{file.path}: the column {picture} is {kind}, not pictures (a struct with bytes).")
    return picture


def _unlabelled(split: str, files: Sequence[RowFile], read: Sequence[Any]) -> bool:
    """Whether no row of a split other than train has a label."""
    return split != "train" and any(file.rows for file in files) and all(one.unlabelled for one in read)


def _without_labels(split: str, files: Sequence[RowFile]) -> Finding:
    detail = f"its rows have no labels, so there is no {split} split"
    return Finding(str(files[0].path), split, "no-labels", detail, bad=False)
