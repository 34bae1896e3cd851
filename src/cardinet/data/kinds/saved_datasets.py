"""Folders that `save_to_disk` of Hugging Face's library `datasets` wrote: Arrow files, read without that library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from cardinet.base.documents import DocumentError, parse_json, read_bytes
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.schemas import Document, conform
from cardinet.data.arrow import MappedBytes, RowNames, mapped
from cardinet.data.kinds.picture_rows import list_rows, picture_column_of
from cardinet.data.kinds.row_file import RowFile
from cardinet.data.kinds.split_names import FILE_LIST, SPLIT_LIST, is_saved, split_of
from cardinet.data.source_listing import Listing, SplitPictures, fingerprint
from cardinet.data.splitting import WHOLE

D = TypeVar("D", bound=Document)


class _Splits(Document, extra="ignore"):
    """dataset_dict.json: the names of the splits, each a folder."""

    splits: tuple[str, ...]


class _File(Document, extra="ignore"):
    filename: str


class _State(Document, extra="ignore"):
    """state.json: the Arrow files of one split, in order."""

    data_files: tuple[_File, ...]


def list_saved(
    text: str, *, picture_column: str | None = None, label_column: str | None = None, labels: str = "one"
) -> Listing:
    """The pictures of a saved `Dataset` (divided like class folders without splits) or `DatasetDict`.

    The Arrow files are mapped into memory, so that a set larger than the memory is read too. Raises RequestError for a
    path that is no such folder, WorkError for one that cannot be read or has two splits of one kind, and both as
    `list_rows`.
    """
    root = _root(text)
    folders = _split_folders(root) or {"train": root}
    if "train" not in folders:
        raise WorkError(f"{root} holds no split called train.")
    files = {split: _files(folder) for split, folder in folders.items()}

    def encode(paths: Sequence[Path], column: str) -> MappedBytes:
        return MappedBytes(paths, column)

    return list_rows(text, root, files, encode, picture_column=picture_column, label_column=label_column, labels=labels)


def pictures_in_saved(text: str, picture_column: str | None = None) -> tuple[dict[str, SplitPictures], str]:
    """The pictures of such a folder by split, for a prediction, and their fingerprint. They need no labels.

    Raises as `list_saved` does.
    """
    root, found, entries = _root(text), dict[str, SplitPictures](), list[str]()
    for split, folder in (_split_folders(root) or {WHOLE: root}).items():
        files = _files(folder)
        names = RowNames(root, [file.path for file in files], [file.rows for file in files])
        encoded = MappedBytes(names.files, picture_column_of(files[0], picture_column))
        found[split] = SplitPictures(names, np.full(len(names), -1, dtype=np.int64), encoded=encoded)
        entries += [f"{split}\t{file.path.name}\t{file.path.stat().st_size}\t{file.rows}" for file in files]
    return found, fingerprint((), entries)


def _root(text: str) -> Path:
    root = Path(text).expanduser()
    if not root.is_dir():
        raise RequestError(f'There is no folder "{text}".')
    if not is_saved(root):
        raise RequestError(
            f"{root} has neither {SPLIT_LIST} nor {FILE_LIST}, so save_to_disk of the library datasets did not write "
            "it; for a folder of .parquet files write parquet:PATH."
        )
    return root


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits, {} if there are none. Raises WorkError."""
    if not (root / SPLIT_LIST).is_file():
        return {}
    found: dict[str, Path] = {}
    for name in _read(_Splits, root / SPLIT_LIST).splits:
        split = split_of(name)
        if split is None:
            continue
        if split in found:
            raise WorkError(f"{root} holds both {found[split].name}/ and {name}/; keep one of them.")
        found[split] = root / name
    return found


def _files(folder: Path) -> list[RowFile]:
    found = []
    for name in (file.filename for file in _read(_State, folder / FILE_LIST, {"_data_files": "data_files"}).data_files):
        path = folder / Path(name).name
        table = mapped(path)
        found.append(RowFile(path, table.schema, table.num_rows, table.column))
    if not found:
        raise WorkError(f"{folder} names no Arrow files in {FILE_LIST}.")
    return found


def _read(kind: type[D], path: Path, names: dict[str, str] | None = None) -> D:
    """A document; `names` are those of entries that a schema cannot have. Raises WorkError."""
    try:
        document = parse_json(read_bytes(path))
        if isinstance(document, dict):
            document = {(names or {}).get(key, key): value for key, value in document.items()}
        return conform(kind, document)
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: {error}.") from None
