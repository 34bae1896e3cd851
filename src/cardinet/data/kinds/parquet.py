"""Parquet files in Hugging Face's image layout: a column of pictures and a column of integer labels."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.arrow import RowNames, read_pictures
from cardinet.data.findings import Finding
from cardinet.data.kinds.folder import SPLITS, count_problems
from cardinet.data.listing import Labels, Listing, Part, fingerprint

PICTURES = ("image", "img")
LABELS = ("label", "labels", "fine_label")
_SPLIT = re.compile(r"(train|validation|valid|val|test)(?![a-z])")


@dataclass(frozen=True)
class Layout:
    """The names of the two columns, and the class names where the schema has them."""

    picture: str
    label: str
    classes: tuple[str, ...] | None


def list_parquet(text: str) -> Listing:
    """The rows of `PATH`, a parquet file or a folder of them (also in data/ or in one folder a split).

    A file belongs to the split that its name begins with, or that its folder is named; a single file and files
    without such names are divided as a class folder without splits is. A split whose labels are all -1 (how
    unlabelled test pictures are published) is left out. Raises RequestError for a missing path, WorkError for
    files that cannot be read or lack the columns.
    """
    root = Path(text).expanduser()
    if not root.exists():
        raise RequestError(f'There is no file or folder "{text}".')
    files = split_files(root)
    layout = read_layout(next(iter(files.values()))[0])
    labels = {split: np.concatenate([read_labels(file, layout) for file in some]) for split, some in files.items()}
    labels = {split: some for split, some in labels.items() if split == "train" or not len(some) or some.max() >= 0}
    classes = layout.classes or tuple(str(i) for i in range(int(labels["train"].max(initial=-1)) + 1))
    base = root if root.is_dir() else root.parent
    rows = {file: pq.read_metadata(file).num_rows for some in files.values() for file in some}
    entries = [
        f"{split}\t{file.relative_to(base)}\t{file.stat().st_size}\t{rows[file]}"
        for split in labels
        for file in files[split]
    ]
    identity = fingerprint(classes, entries, *(labels[split].tobytes() for split in sorted(labels)))
    parts, problems = {}, []
    for split, values in labels.items():
        names = RowNames(base, files[split], [rows[file] for file in files[split]])
        encoded = read_pictures(files[split], layout.picture, f"{identity[:32]}-{split}")
        parts[split] = Part(names, values, encoded=encoded)
        problems += _label_problems(split, names, values, len(classes))
    problems += count_problems(text, classes, parts)
    return Listing(classes, parts, identity, problems=tuple(problems), unsplit=len(parts) == 1)


def split_files(root: Path) -> dict[str, list[Path]]:
    """The parquet files by split. Raises WorkError when there are none, no train files, or files of no split."""
    if root.is_file():
        return {"train": [root]}
    files = sorted(
        p for p in root.rglob("*.parquet") if not any(part.startswith(".") for part in p.relative_to(root).parts)
    )
    if not files:
        raise WorkError(f"{root} holds no .parquet files.")
    found: dict[str, list[Path]] = {}
    without: list[Path] = []
    for file in files:
        match = _SPLIT.match(file.name) or _SPLIT.fullmatch(file.parent.name)
        if match is None:
            without.append(file)
        else:
            found.setdefault(SPLITS[match[1]], []).append(file)
    if not found:
        return {"train": without}
    if without:
        raise WorkError(f"{without[0]} belongs to no split; its name must begin with train, validation or test.")
    if "train" not in found:
        raise WorkError(f"{root} holds no train files (train-*.parquet).")
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def read_layout(file: Path) -> Layout:
    """The columns of a file by its schema. Raises WorkError where they are missing or of another type."""
    schema = _schema(file)
    picture = next((name for name in PICTURES if name in schema.names), None)
    label = next((name for name in LABELS if name in schema.names), None)
    columns = ", ".join(schema.names)
    if picture is None:
        raise WorkError(f"{file} has no column of pictures ({' or '.join(PICTURES)}); its columns: {columns}.")
    if label is None:
        raise WorkError(f"{file} has no column of labels ({', '.join(LABELS)}); its columns: {columns}.")
    kind = schema.field(picture).type
    has_bytes = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    if not (has_bytes or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise WorkError(f"{file}: the column {picture} is {kind}, not pictures (a struct with bytes).")
    if not pa.types.is_integer(schema.field(label).type):
        raise WorkError(f"{file}: the column {label} is {schema.field(label).type}, not integer labels.")
    return Layout(picture, label, _class_names(schema, label))


def _schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkError(f"{file} is no readable parquet file: {str(error).splitlines()[0]}") from error


def _class_names(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    try:
        document: Any = json.loads((schema.metadata or {})[b"huggingface"])
        feature = document["info"]["features"][label]
        names = feature.get("names") or feature["feature"]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(str(name) for name in names)


def read_labels(file: Path, layout: Layout) -> Labels:
    """The labels of one file, int64; a missing one is -1. Raises WorkError when the file cannot be read."""
    try:
        column = pq.read_table(file, columns=[layout.label]).column(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
    return np.asarray(column.fill_null(-1).to_numpy(), dtype=np.int64)


def _label_problems(split: str, names: RowNames, labels: Labels, classes: int) -> list[Finding]:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if not len(wrong):
        return []
    detail = f"{len(wrong)} rows have a label outside 0 to {classes - 1}, the first one {labels[wrong[0]]}"
    return [Finding(names[int(wrong[0])], split, "wrong-label", detail, bad=True)]
