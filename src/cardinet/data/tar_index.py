"""The samples of a tar shard by the conventions of webdataset: one pass over its headers, kept in the cache folder.

The files of a sample stand side by side and share a key: the name up to the first dot of its last part. The rest says
what a file is: a picture (`jpg`, `input.png`), a label (`cls`, `json`), or something else, which is not read.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from cardinet.base.cache import cache_folder
from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.data.picture_formats import EXTENSIONS
from cardinet.data.tar_lists import FIELDS, LINES, label_list

VERSION = 3
"""To be raised when the index or the reading of a shard changes."""

LABEL_BYTES = 1 << 20
"""The most bytes of a label file; a longer one is no label."""

COMPRESSED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
BLOCK = 512
CHUNK = 1 << 16

_NAME = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
_META = re.compile(r"__[^/]*__($|/)")


class NoTar(Exception):
    """A file that is no readable tar archive, with the reason as a clause."""


@dataclass(frozen=True)
class Columns:
    """Which files of a sample are read: the picture and the label by their settings, None for the usual ones.

    If it need not be `labelled`, a sample without a label is no fault. With `lists` a sample has several labels, or
    none, and this is the text between them where they are plain text.
    """

    picture: str | None = None
    label: str | None = None
    labelled: bool = True
    lists: str | None = None


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The usable samples of a shard in order, and its faults.

    - `keys`, `labels` (n,): as bytes, a label as it is written, several as a list in JSON;
    - `suffix`, `offset`, `size` (n,): what follows the key in the picture's name, as a place in `suffixes`, and where
      its bytes are;
    - `fault_kinds`, `fault_places` (m,): what is wrong, as text, and where, to stand behind the name of the shard.
    """

    keys: npt.NDArray[np.bytes_]
    labels: npt.NDArray[np.bytes_]
    suffix: npt.NDArray[np.int16]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    suffixes: npt.NDArray[np.str_]
    fault_kinds: npt.NDArray[np.str_]
    fault_places: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.keys)


def index_path(identity: str, columns: Columns) -> Path:
    """The file that keeps the index of a shard; `identity` names one version of the shard."""
    text = f"{VERSION}\n{identity}\n{columns}".encode("utf-8", "surrogateescape")
    return cache_folder("shard-index") / f"{hashlib.sha256(text).hexdigest()[:32]}.npz"


def kept_index(path: Path) -> ShardIndex | None:
    """The index in a file of the cache; None if it is missing or damaged."""
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(path) as arrays:
        return ShardIndex(**{field.name: arrays[field.name] for field in fields(ShardIndex)})
    return None


def keep_index(path: Path, index: ShardIndex) -> None:
    """Write an index; errors are ignored, because a missing one only costs time later."""
    content = io.BytesIO()
    np.savez(content, **{field.name: getattr(index, field.name) for field in fields(ShardIndex)})
    with suppress(WorkError):
        write_atomic(path, content.getvalue())


@dataclass
class _Sample:
    """The files of one sample that matter: pictures and labels by what follows the key."""

    key: str
    pictures: dict[str, tuple[int, int]]
    labels: dict[str, bytes]
    twice: str = ""


def read_index(path: Path, columns: Columns) -> ShardIndex:
    """The samples of a shard. Raises NoTar if it is no tar archive, WorkError if it cannot be read."""
    reader = _Reader(columns)
    try:
        with open(path, "rb") as file:
            for sample in _samples(file, columns, reader.faults):
                reader.add(sample)
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}.") from error
    return reader.index()


def nothing() -> ShardIndex:
    """The index of a shard without samples."""
    return _Reader(Columns()).index()


class _Reader:
    """Collects the samples and faults of one shard."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.faults: list[tuple[str, str]] = []
        self.suffixes: dict[str, int] = {}
        self.seen: set[str] = set()
        self.rows: list[tuple[str, bytes, int, int, int]] = []

    def add(self, sample: _Sample) -> None:
        fault, label = "", b""
        if sample.twice:
            fault, sample.key = "duplicate-key", f"{sample.key}.{sample.twice}"
        elif sample.key in self.seen:
            fault = "duplicate-key"
        elif not sample.pictures:
            fault = "no-picture"
        elif len(sample.pictures) > 1:
            fault, sample.key = "several-pictures", f"{sample.key} ({', '.join(sample.pictures)})"
        else:
            label, fault = _read_label(sample.labels, self.columns)
        if fault:
            self.faults.append((fault, f"/{sample.key}"))
            return
        self.seen.add(sample.key)
        ((suffix, (offset, size)),) = sample.pictures.items()
        self.rows.append((sample.key, label, self.suffixes.setdefault(suffix, len(self.suffixes)), offset, size))

    def index(self) -> ShardIndex:
        keys, labels, suffix, offset, size = zip(*self.rows, strict=True) if self.rows else ((), (), (), (), ())
        return ShardIndex(
            keys=np.array([os.fsencode(key) for key in keys], dtype=np.bytes_),
            labels=np.array(labels, dtype=np.bytes_),
            suffix=np.array(suffix, dtype=np.int16),
            offset=np.array(offset, dtype=np.int64),
            size=np.array(size, dtype=np.int64),
            suffixes=np.array(list(self.suffixes), dtype=np.str_),
            fault_kinds=np.array([kind for kind, _ in self.faults], dtype=np.str_),
            fault_places=np.array([_plain(detail) for _, detail in self.faults], dtype=np.str_),
        )


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _samples(file: IO[bytes], columns: Columns, faults: list[tuple[str, str]]) -> Iterator[_Sample]:
    """The samples of an archive; a cut or damaged end becomes a fault. Raises NoTar."""
    sample: _Sample | None = None
    size = os.fstat(file.fileno()).st_size
    for name, offset, length in _members(file, faults):
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        key, suffix = found[1], found[2].lower()
        if offset + length > size:
            faults.append(("truncated", f"/{name}"))
            if sample is not None and sample.key == key:
                sample = None
            break
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = _Sample(key, {}, {})
        if suffix in sample.pictures or suffix in sample.labels:
            sample.twice = suffix
        elif _is_picture(suffix, columns.picture):
            sample.pictures[suffix] = (offset, length)
        elif _is_label(suffix, columns) and length <= LABEL_BYTES:
            file.seek(offset)
            sample.labels[suffix] = file.read(length)
    if sample is not None:
        yield sample


def _members(file: IO[bytes], faults: list[tuple[str, str]]) -> Iterator[tuple[str, int, int]]:
    """The regular files of an archive: name, first byte and bytes. A damaged end becomes a fault. Raises NoTar."""
    start = file.read(BLOCK)
    file.seek(0)
    if not start:
        raise NoTar("it is empty (0 bytes)")
    if how := next((how for mark, how in COMPRESSED.items() if start.startswith(mark)), None):
        raise NoTar(f"it is compressed ({how}), so no picture can be read without all before it; unpack it to .tar")
    archive: tarfile.TarFile | None = None
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the file belongs to the caller
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # else it keeps them all
            if member.isreg() and not member.issparse() and not _META.match(member.name):
                yield member.name, member.offset_data, member.size
    except tarfile.TarError as error:
        if archive is None or not archive.offset:
            raise NoTar(f"it is no tar archive ({error})") from None
    file.seek(archive.offset)
    end = file.read(BLOCK)  # an archive ends with empty blocks, and nothing follows them
    rest = iter(partial(file.read, CHUNK), b"")
    if len(end) < BLOCK or any(block.strip(b"\0") for block in itertools.chain([end], rest)):
        faults.append(("truncated", f" after byte {archive.offset:,}"))


def _is_picture(suffix: str, asked: str | None) -> bool:
    return suffix == asked if asked is not None else f".{suffix}".endswith(EXTENSIONS)


def _is_label(suffix: str, columns: Columns) -> bool:
    last = suffix.split(".")[-1]
    return suffix == columns.label or last in ("cls", "json") or (last == "txt" and columns.lists is not None)


def _read_label(files: dict[str, bytes], columns: Columns) -> tuple[bytes, str]:
    """The label of a sample as it is kept, and the kind of its fault."""
    if columns.lists is None:
        label = _label(files, columns.label)
        if label or not columns.labelled:
            return label, ""
        return b"", "several-labels" if label_list(files, columns.label, LINES) else "no-label"
    names = label_list(files, columns.label, columns.lists)
    if names is None:
        return b"", "no-label" if columns.labelled else ""
    return to_json(names).encode(), "twice-named" if len(set(names)) < len(names) else ""


def _label(files: dict[str, bytes], asked: str | None) -> bytes:
    """The label of a sample as text: of `asked`, a file or a field of the .json, else of .cls or a usual field."""
    plain = asked if asked is not None else next((name for name in files if name.split(".")[-1] == "cls"), None)
    if plain is not None and plain in files and not plain.endswith("json"):
        return files[plain].strip()
    for name, content in files.items():
        if name.split(".")[-1] == "json":
            with suppress(DocumentError):
                return _field(parse_json(content), asked)
    return b""


def _field(document: Any, asked: str | None) -> bytes:
    if not isinstance(document, dict):
        return b"" if asked or isinstance(document, list | None) else _text(document)
    return next((_text(document[name]) for name in ((asked,) if asked else FIELDS) if name in document), b"")


def _text(value: Any) -> bytes:
    """A whole number or a text as bytes; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return b""
    return str(value).strip().encode("utf-8", "surrogatepass")
