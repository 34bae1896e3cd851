"""The pictures in rows of parquet files, read from the disk in the order in which they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cardinet.base.errors import WorkError
from cardinet.data.arrow import RowNames
from cardinet.data.decode import PictureError
from cardinet.data.kinds.row_file import RowFile
from cardinet.data.picture_inputs import PictureInput

TOGETHER = 64
"""The rows that are read at a time."""


class ParquetPictures:
    """The pictures of parquet files below `root`, file by file; `columns` names the column of pictures of each file.

    Only a few rows are in memory at a time, whatever the size of the files and of their row groups.
    """

    def __init__(self, root: Path, files: Sequence[RowFile], columns: Sequence[str]) -> None:
        self.files = [file.path for file in files]
        self.columns = list(columns)
        self.names = RowNames(root, self.files, [file.rows for file in files])

    def __len__(self) -> int:
        return len(self.names)

    def entries(self) -> Iterator[str]:
        """The files by name, size and number of rows."""
        for file, first, end in self._bounds():
            yield f"{file.relative_to(self.names.root)}\t{file.stat().st_size}\t{end - first}"

    def read(self, start: int, stop: int) -> Iterator[PictureInput]:
        """The pictures from `start` to `stop`, in order. Raises WorkError if a file cannot be read."""
        for number, (file, first, end) in enumerate(self._bounds()):
            if first < stop and start < end:
                rows = _rows(file, self.columns[number], max(start, first) - first, min(stop, end) - first)
                for place, content in enumerate(rows, max(start, first)):
                    yield PictureInput(self.names.at(place), _nothing if content is None else content)

    def _bounds(self) -> Iterator[tuple[Path, int, int]]:
        """Each file with its first row and the end of its rows, counted over all files."""
        starts = self.names.starts.tolist()
        return zip(self.files, starts, starts[1:], strict=False)


def _nothing() -> NoReturn:
    raise PictureError("empty", "the row holds no bytes")


def _rows(file: Path, column: str, start: int, stop: int) -> Iterator[bytes | None]:
    """The bytes in some rows of a file."""
    try:
        with pq.ParquetFile(file, pre_buffer=False) as opened:
            first = 0
            for group in range(opened.num_row_groups):
                rows = opened.metadata.row_group(group).num_rows
                if first < stop and start < first + rows:
                    yield from _rows_of_group(opened, group, column, max(0, start - first), min(rows, stop - first))
                first += rows
    except (pa.ArrowException, OSError) as error:
        raise WorkError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _rows_of_group(opened: pq.ParquetFile, group: int, column: str, start: int, stop: int) -> Iterator[bytes | None]:
    first = 0
    batches = opened.iter_batches(batch_size=TOGETHER, row_groups=[group], columns=[column], use_threads=False)
    for batch in batches:
        if first >= stop:
            break
        values = batch.column(0)
        if pa.types.is_struct(values.type):
            values = pc.struct_field(values, "bytes")
        for value in values[max(0, start - first) : max(0, stop - first)]:
            yield value.as_py()
        first += len(batch)
