"""Encoded pictures in Arrow columns, in memory or mapped into it, and the names of their rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cardinet.base.errors import WorkError
from cardinet.data.decode import PictureError
from cardinet.data.parquet_shards import pieces_of, sharded_pictures
from cardinet.data.shards import ShardPictures
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


def read_pictures(files: Sequence[Path], column: str, *, together: int, limit: float) -> ArrowBytes | ShardPictures:
    """The encoded pictures of parquet files, in order: in memory, or above `IN_MEMORY` bytes as shards.

    `column` is the column of pictures (a struct with `bytes`, or binary). `together` and `limit` are as in
    `sharded_pictures`. Raises as it does.
    """
    pieces = [piece for file in files for piece in pieces_of(file, column)]
    if sum(piece.bytes for piece in pieces) > IN_MEMORY:
        return sharded_pictures(pieces, column, together, limit)
    chunks = [values for piece in pieces for values in piece.values(column)]
    return ArrowBytes(pa.chunked_array(chunks, type=pa.binary()))
