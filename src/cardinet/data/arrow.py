"""Encoded pictures in Arrow columns: in memory, or in a memory-mapped file if they are too large for memory."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cardinet.base.errors import WorkError
from cardinet.data.cache import cache_folder
from cardinet.data.decode import PictureError
from cardinet.data.source_listing import Names

IN_MEMORY = 2 << 30  # bytes of encoded pictures in one split


class ArrowBytes:
    """Encoded pictures in a chunked Arrow column of binary values."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.column = column
        self.starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])

    def read(self, index: int) -> bytes:
        """The bytes of one picture. Raises PictureError when the row holds none."""
        place = int(np.searchsorted(self.starts, index, side="right")) - 1
        value = self.column.chunk(place)[index - int(self.starts[place])].as_py()
        if value is None:
            raise PictureError("empty", "the row holds no bytes")
        return bytes(value)


class MappedBytes:
    """Encoded pictures in a column of Arrow files, which each reading process maps into memory."""

    def __init__(self, paths: Sequence[Path], column: str = "bytes") -> None:
        self.paths = tuple(paths)
        self.column = column
        self._opened: ArrowBytes | None = None

    def read(self, index: int) -> bytes:
        """The bytes of one picture. Raises PictureError when the row holds none."""
        if self._opened is None:
            chunks = [chunk for path in self.paths for chunk in mapped(path).column(self.column).chunks]
            plain = [pc.struct_field(chunk, "bytes") if pa.types.is_struct(chunk.type) else chunk for chunk in chunks]
            self._opened = ArrowBytes(pa.chunked_array(plain))
        return self._opened.read(index)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def mapped(path: Path) -> pa.Table:
    """The table in an Arrow file (of either form, file or stream), mapped into memory. Raises WorkError."""
    try:
        source = pa.memory_map(str(path))
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkError(f"{path} is not a readable Arrow file: {str(error).splitlines()[0]}") from error


class RowNames(Names):
    """`FILE row N` for the rows of several files, each by its path below the source's folder."""

    def __init__(self, root: Path, files: Sequence[Path], counts: Sequence[int]) -> None:
        self.root = root
        self.files = list(files)
        self.starts = np.cumsum([0, *counts])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def at(self, index: int) -> str:
        file, row = self._find(index)
        return f"{file.relative_to(self.root).as_posix()} row {row}"

    def place(self, index: int) -> tuple[str, int]:
        file, row = self._find(index)
        return os.path.abspath(file), row

    def _find(self, index: int) -> tuple[Path, int]:
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.files[number], index - int(self.starts[number])


def read_pictures(files: Sequence[Path], column: str, key: str) -> ArrowBytes | MappedBytes:
    """The encoded pictures of parquet files, in order. Above 2 GiB they go through an Arrow file in the cache.

    `column` is the column of pictures (a struct with `bytes`, or binary). `key` names the Arrow file, which is made
    once. Raises WorkError if the disk has no room for it.
    """
    size = sum(_column_bytes(file, column) for file in files)
    if size <= IN_MEMORY:
        chunks = [chunk for file in files for batch in _batches(file, column) for chunk in batch]
        return ArrowBytes(pa.chunked_array(chunks, type=pa.binary()))
    path = cache_folder("arrow") / f"{key}.arrow"
    if not path.exists():
        _convert(files, column, path, size)
    return MappedBytes([path])


def _column_bytes(file: Path, column: str) -> int:
    metadata = pq.read_metadata(file)
    total = 0
    for group in range(metadata.num_row_groups):
        columns = (metadata.row_group(group).column(i) for i in range(metadata.num_columns))
        total += sum(c.total_uncompressed_size for c in columns if c.path_in_schema.split(".")[0] == column)
    return total


def _batches(file: Path, column: str) -> Iterator[list[pa.Array]]:
    """The bytes of the column in pieces of some hundred rows, far below Arrow's limit of 2 GiB."""
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=512, columns=[column]):
            values = batch.column(0)
            if pa.types.is_struct(values.type):
                values = pc.struct_field(values, "bytes")
            yield [values.cast(pa.binary())]


def _convert(files: Sequence[Path], column: str, path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < size * 1.05:
        raise WorkError(
            f"{path.parent} has {free / 2**30:.1f} GiB free and the pictures need {size / 2**30:.1f}; "
            "make room, or set XDG_CACHE_HOME to a larger disk."
        )
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    schema = pa.schema([("bytes", pa.binary())])
    try:
        with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for file in files:
                for (values,) in _batches(file, column):
                    writer.write_batch(pa.record_batch([values], schema=schema))
        os.replace(beside, path)
    except OSError as error:
        raise WorkError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        beside.unlink(missing_ok=True)
