"""Parquet files whose pictures are too large for memory: converted piece by piece into files of plain bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cardinet.base.cache import cache_folder
from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.base.side_work import counted
from cardinet.data.kept_shards import KeptShards, check_limit
from cardinet.data.shards import ShardPictures

PIECE = 512 << 20
"""The bytes of pictures up to which row groups of one file become one shard."""

TOGETHER = 256
"""The rows that are converted at a time."""


@dataclass(frozen=True)
class Piece:
    """Some row groups of a file, one after the other: their rows, and the bytes of their pictures."""

    file: Path
    groups: tuple[int, ...]
    rows: int
    bytes: int

    def values(self, column: str) -> Iterator[pa.Array]:
        """The bytes of the column, some hundred rows at a time. Raises WorkError if the file cannot be read."""
        try:
            with pq.ParquetFile(self.file, pre_buffer=False) as opened:
                groups = list(self.groups)
                for batch in opened.iter_batches(TOGETHER, row_groups=groups, columns=[column], use_threads=False):
                    values = batch.column(0)
                    if pa.types.is_struct(values.type):
                        values = pc.struct_field(values, "bytes")
                    yield values.cast(pa.binary())
        except (pa.ArrowException, OSError) as error:
            raise WorkError(f"{self.file} cannot be read: {str(error).splitlines()[0]}") from error


class ParquetShards(KeptShards):
    """The pictures of a column as shards in the cache folder; a row's bytes follow those of the row before."""

    def __init__(self, pieces: Sequence[Piece], column: str, limit: int) -> None:
        super().__init__([f"{_key(piece, column)}.bytes" for piece in pieces], [one.bytes for one in pieces], limit)
        self.pieces, self.column = tuple(pieces), column

    def make(self, number: int, target: Path) -> None:
        """Convert a piece from its beginning. The sizes of its pictures are kept apart, and stay longer."""
        piece = self.pieces[number]
        sizes = []
        try:
            with open(target, "wb") as out:
                for values in piece.values(self.column):
                    sizes.append(pc.fill_null(pc.binary_length(values), -1).to_numpy().astype(np.int32))
                    for value in values:
                        if value.is_valid:
                            out.write(value.as_buffer())
        except OSError as error:
            raise WorkError(f"{target} could not be written: {error.strerror or error}.") from error
        content = io.BytesIO()
        np.save(content, np.concatenate([np.empty(0, np.int32), *sizes]))
        write_atomic(self._sizes_path(number), content.getvalue())

    def picture_sizes(self, number: int) -> npt.NDArray[np.int64]:
        """The bytes of the picture in each row of a piece, -1 for a row without one. Raises WorkError."""
        path = self._sizes_path(number)
        for _ in range(2):
            with suppress(OSError, ValueError, EOFError):
                found = np.load(path)
                if found.shape == (self.pieces[number].rows,):
                    return np.asarray(found, dtype=np.int64)
            (self.folder / self.names[number]).unlink(missing_ok=True)  # so that it is converted again
            self.path(number)
        raise WorkError(f"{self.pieces[number].file} has changed while it was read.")

    def _sizes_path(self, number: int) -> Path:
        return cache_folder("shard-index") / f"{Path(self.names[number]).stem}.npy"


def sharded_pictures(pieces: Sequence[Piece], column: str, together: int, limit: float) -> ShardPictures:
    """The pictures of some pieces, in order, as shards in the cache folder, of which at most `limit` GiB are kept.

    Raises RequestError if `together` shards, which training needs at a time, exceed the limit.
    """
    shards = ParquetShards(pieces, column, check_limit(limit, [piece.bytes for piece in pieces], together))
    sizes = [shards.picture_sizes(number) for number in counted("converting shards", range(len(pieces)), len(pieces))]
    offsets = [np.cumsum(np.maximum(one, 0)) - np.maximum(one, 0) for one in sizes]
    numbers = np.repeat(np.arange(len(pieces), dtype=np.int32), [len(one) for one in sizes])
    return ShardPictures(shards, numbers, np.concatenate(offsets), np.concatenate(sizes))


def pieces_of(file: Path, column: str) -> list[Piece]:
    """The row groups of a file, as few pieces as `PIECE` allows."""
    metadata = pq.read_metadata(file)
    found: list[Piece] = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = (group.column(i) for i in range(metadata.num_columns))
        size = sum(one.total_uncompressed_size for one in columns if one.path_in_schema.split(".")[0] == column)
        last = found.pop() if found and found[-1].bytes + size <= PIECE else Piece(file, (), 0, 0)
        found.append(Piece(file, (*last.groups, number), last.rows + group.num_rows, last.bytes + size))
    return found


def _key(piece: Piece, column: str) -> str:
    state = piece.file.stat()
    text = f"{piece.file.resolve()}\n{state.st_size}\n{state.st_mtime_ns}\n{piece.groups}\n{column}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
