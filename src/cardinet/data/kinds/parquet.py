"""Parquet files in Hugging Face's image layout: a column of pictures and a column of labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.arrow import read_pictures
from cardinet.data.kinds.picture_rows import list_rows, picture_column_of
from cardinet.data.kinds.row_file import RowFile
from cardinet.data.kinds.split_names import files_by_split, split_of, split_of_file
from cardinet.data.parquet_pictures import ParquetPictures
from cardinet.data.source_listing import Listing
from cardinet.data.splitting import WHOLE


def list_parquet(
    text: str,
    *,
    picture_column: str | None = None,
    label_column: str | None = None,
    labels: str = "one",
    shuffle_shards: int = 16,
    shard_cache: float = 32.0,
) -> Listing:
    """The rows of `PATH`, a parquet file or a folder of them (also in data/ or in one folder a split).

    A file belongs to the split at the beginning of its name, or in the name of its folder. A single file, and files
    without such names, are divided like class folders without splits. Pictures that are too large for memory become
    shards in the cache folder (`read_pictures`). Raises RequestError for a missing path, WorkError
    for files that cannot be read, and both as `list_rows`.
    """
    root = _root(text)
    files = {split: [_opened(path) for path in paths] for split, paths in split_files(root).items()}
    base = root if root.is_dir() else root.parent
    encode = partial(read_pictures, together=shuffle_shards, limit=shard_cache)
    return list_rows(text, base, files, encode, picture_column=picture_column, label_column=label_column, labels=labels)


def parquet_pictures(text: str, picture_column: str | None = None) -> dict[str, ParquetPictures]:
    """The pictures of `PATH` by split, for a prediction; they need no labels. Raises as `list_parquet` does."""
    root = _root(text)
    base = root if root.is_dir() else root.parent
    found = {}
    for split, paths in _by_split(root).items():
        files = [_opened(path) for path in paths]
        found[split] = ParquetPictures(base, files, [picture_column_of(file, picture_column) for file in files])
    return found


def _root(text: str) -> Path:
    root = Path(text).expanduser()
    if not root.exists():
        raise RequestError(f'There is no file or folder "{text}".')
    if not root.is_dir() and not root.is_file():
        raise RequestError(f"{text} is not a regular file; give a parquet file or a folder of them.")
    return root


def _by_split(root: Path) -> dict[str, list[Path]]:
    """The files of a source without labels by split; those without a split's name are "all"."""
    found: dict[str, list[Path]] = {}
    for file in [root] if root.is_file() else _files(root):
        found.setdefault(split_of_file(file.name) or split_of(file.parent.name) or WHOLE, []).append(file)
    return found


def _opened(path: Path) -> RowFile:
    """A parquet file. Raises WorkError if it is none."""
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkError(f"{path} is not a readable parquet file: {str(error).splitlines()[0]}") from error
    return RowFile(
        path, metadata.schema.to_arrow_schema(), metadata.num_rows, lambda name: pq.read_table(path, columns=[name])[0]
    )


def split_files(root: Path) -> dict[str, list[Path]]:
    """The parquet files by split.

    Raises WorkError if there are no files, no train files, files of no split, two names of one split, or entries that
    are not regular files, such as a pipe, which would make the program wait forever.
    """
    if root.is_file():
        return {"train": [root]}
    files = _files(root)
    found, without = files_by_split(str(root), files)
    if not found:
        return {"train": files}
    if without:
        raise WorkError(f"{files[without[0]]} belongs to no split; its name must begin with train, validation or test.")
    if "train" not in found:
        raise WorkError(f"{root} holds no train files (train-*.parquet).")
    return {split: [files[i] for i in found[split]] for split in ("train", "validation", "test") if split in found}


def _files(root: Path) -> list[Path]:
    """The parquet files below a folder, by name. Raises WorkError as `split_files` does."""
    named = (path for path in root.rglob("*.parquet") if not path.is_dir())
    files = sorted(path for path in named if not any(part.startswith(".") for part in path.relative_to(root).parts))
    if not files:
        raise WorkError(f"{root} holds no .parquet files.")
    if odd := [file for file in files if not file.is_file()]:
        raise WorkError(f"{odd[0]} is not a regular file; remove it.")
    return files
