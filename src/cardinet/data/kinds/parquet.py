"""Parquet files in Hugging Face's image layout: a column of pictures and a column of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.arrow import RowNames, read_pictures
from cardinet.data.findings import Finding
from cardinet.data.kinds.class_problems import class_problems, count_problems
from cardinet.data.kinds.parquet_labels import FileLabels, in_common, read_labels, read_schema
from cardinet.data.kinds.split_names import beginning, split_of, split_of_file
from cardinet.data.source_listing import Listing, SplitPictures, fingerprint

PICTURES = ("image", "img")


def list_parquet(text: str) -> Listing:
    """The rows of `PATH`, a parquet file or a folder of them (also in data/ or in one folder a split).

    A file belongs to the split at the beginning of its name, or in the name of its folder. A single file, and files
    without such names, are divided like class folders without splits. Every file has its own class names; all are
    brought into one order (`in_common`). A split without labels, such as published test pictures, is left out with a
    note. Raises RequestError for a missing path, WorkError for files that cannot be read or lack the columns, and for
    numbers without known class names.
    """
    root = Path(text).expanduser()
    if not root.exists():
        raise RequestError(f'There is no file or folder "{text}".')
    if not root.is_dir() and not root.is_file():
        raise RequestError(f"{text} is not a regular file; give a parquet file or a folder of them.")
    files = split_files(root)
    base = root if root.is_dir() else root.parent
    rows = {file: pq.read_metadata(file).num_rows for some in files.values() for file in some if read_schema(file)}
    picture = picture_column(files["train"][0])
    read = {split: [read_labels(file, needed=split == "train") for file in some] for split, some in files.items()}
    problems = [_without_labels(split, files[split]) for split, some in read.items() if _unlabelled(split, some)]
    read = {split: some for split, some in read.items() if not _unlabelled(split, some)}
    classes, labels, unknown = in_common(read)
    entries = [
        f"{split}\t{file.relative_to(base)}\t{file.stat().st_size}\t{rows[file]}"
        for split in labels
        for file in files[split]
    ]
    identity = fingerprint(classes, entries, *(labels[split].tobytes() for split in sorted(labels)))
    parts = {}
    for split, values in labels.items():
        names = RowNames(base, files[split], [rows[file] for file in files[split]])
        encoded = read_pictures(files[split], picture, f"{identity[:32]}-{split}")
        parts[split] = SplitPictures(names, values, encoded=encoded)
        problems += class_problems(split, parts[split], classes, unknown.get(split, ()))
    problems += count_problems(text, classes, parts)
    return Listing(classes, parts, identity, problems=tuple(problems), unsplit=len(parts) == 1)


def split_files(root: Path) -> dict[str, list[Path]]:
    """The parquet files by split.

    Raises WorkError if there are no files, no train files, files of no split, two names of one split, or entries that
    are not regular files, such as a pipe, which would make the program wait forever.
    """
    if root.is_file():
        return {"train": [root]}
    named = (path for path in root.rglob("*.parquet") if not path.is_dir())
    files = sorted(path for path in named if not any(part.startswith(".") for part in path.relative_to(root).parts))
    if not files:
        raise WorkError(f"{root} holds no .parquet files.")
    if odd := [file for file in files if not file.is_file()]:
        raise WorkError(f"{odd[0]} is not a regular file; remove it.")
    found: dict[str, list[Path]] = {}
    names: dict[str, str] = {}
    without: list[Path] = []
    for file in files:
        by_file = split_of_file(file.name)
        split = by_file or split_of(file.parent.name)
        if split is None:
            without.append(file)
            continue
        name = (beginning(file.name) if by_file else file.parent.name).casefold()
        if names.setdefault(split, name) != name:
            raise WorkError(f"{root} holds both {names[split]} and {name} files for {split}; keep one of them.")
        found.setdefault(split, []).append(file)
    if not found:
        return {"train": without}
    if without:
        raise WorkError(f"{without[0]} belongs to no split; its name must begin with train, validation or test.")
    if "train" not in found:
        raise WorkError(f"{root} holds no train files (train-*.parquet).")
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def picture_column(file: Path) -> str:
    """The column of pictures in the schema of a file. Raises WorkError if it is missing or has another type."""
    schema = read_schema(file)
    picture = next((name for name in PICTURES if name in schema.names), None)
    if picture is None:
        columns = ", ".join(schema.names)
        raise WorkError(f"{file} has no column of pictures ({' or '.join(PICTURES)}); its columns: {columns}.")
    kind = schema.field(picture).type
    has_bytes = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    if not (has_bytes or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise WorkError(f"{file}: the column {picture} is {kind}, not pictures (a struct with bytes).")
    return picture


def _unlabelled(split: str, read: Sequence[FileLabels]) -> bool:
    """Whether no row of a split other than train has a label."""
    return split != "train" and any(len(one.labels) for one in read) and all((one.labels < 0).all() for one in read)


def _without_labels(split: str, files: Sequence[Path]) -> Finding:
    detail = f"its rows have no labels, so there is no {split} split"
    return Finding(str(files[0]), split, "no-labels", detail, bad=False)
