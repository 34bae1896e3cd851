"""The forms of a table of answers: how its rows become the content of a file, and how a file is counted again."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cardinet.base.errors import WorkError

Cell = str | float
PROBLEM = "problem"
"""The column with the reason why a picture could not be used; it is empty for all others."""


@dataclass(frozen=True)
class Counted:
    """The rows of a file of answers, and how many of them are pictures that could not be used."""

    rows: int
    unusable: int


class Rows(Protocol):
    """Rows of a table in one form. Cells that a row lacks stay empty."""

    def add(self, row: Mapping[str, Cell]) -> None:
        """Add a row. Texts must be encodable, and numbers keep all their digits."""

    def content(self) -> bytes:
        """The content of a file with these rows."""


class Form(Protocol):
    """A form of a table: the end of its file names, its rows, and the count of a file."""

    suffix: str

    def rows(self, columns: Sequence[str], about: Mapping[str, str]) -> Rows:
        """Empty rows. `about` is metadata of the file, if the form has some."""

    def counted(self, path: Path, columns: Sequence[str]) -> Counted:
        """Count a file. Raises WorkError if it is damaged or has other columns."""


class Csv:
    """Text in UTF-8 with commas, one line a row after the names of the columns."""

    suffix = ".csv"

    def rows(self, columns: Sequence[str], about: Mapping[str, str]) -> CsvRows:
        return CsvRows(columns)

    def counted(self, path: Path, columns: Sequence[str]) -> Counted:
        rows = unusable = 0
        try:
            with open(path, newline="", encoding="utf-8") as file:
                lines = csv.reader(file, strict=True)
                if next(lines, None) != list(columns):
                    raise other_columns(path)
                for row in lines:
                    rows += 1
                    unusable += PROBLEM in columns and bool(row[columns.index(PROBLEM)])
        except (OSError, ValueError, csv.Error, IndexError) as error:
            raise damaged(path, error) from None
        return Counted(rows, unusable)


class CsvRows:
    """The lines of a CSV file."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.text = _Lines()
        self.writer = csv.DictWriter(self.text, columns, lineterminator=_Lines.END)
        self.writer.writeheader()

    def add(self, row: Mapping[str, Cell]) -> None:
        self.writer.writerow(row)

    def content(self) -> bytes:
        return self.text.getvalue().encode()


class _Lines(io.StringIO):
    """Rows that end in a line feed.

    The writer itself ends them with both characters, as before Python 3.13 it quotes a cell only if the cell has a
    character of its line ending.
    """

    END = "\r\n"

    def write(self, row: str) -> int:
        return super().write(row.removesuffix(self.END) + "\n")


class Parquet:
    """Columns of text, and of float64 for probabilities, in one row group. An empty cell is null."""

    suffix = ".parquet"

    def rows(self, columns: Sequence[str], about: Mapping[str, str]) -> ParquetRows:
        return ParquetRows(columns, about)

    def counted(self, path: Path, columns: Sequence[str]) -> Counted:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                if file.schema_arrow.names != list(columns):
                    raise other_columns(path)
                rows, unusable = file.metadata.num_rows, 0
                if PROBLEM in columns:
                    read = file.read(columns=[PROBLEM]).column(0)
                    unusable = len(read) - read.null_count
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from None
        return Counted(rows, unusable)


class ParquetRows:
    """The columns of a parquet file."""

    def __init__(self, columns: Sequence[str], about: Mapping[str, str]) -> None:
        self.about = dict(about)
        self.columns: dict[str, list[Cell | None]] = {name: [] for name in columns}

    def add(self, row: Mapping[str, Cell]) -> None:
        for name, cells in self.columns.items():
            cells.append(row.get(name))

    def content(self) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {name: pa.float64() if name.startswith("probability") else pa.string() for name in self.columns}
        table = pa.table({name: pa.array(cells, kinds[name]) for name, cells in self.columns.items()})
        table = table.replace_schema_metadata(self.about)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, row_group_size=max(1, table.num_rows), compression="zstd")
        content: bytes = sink.getvalue().to_pybytes()
        return content


CSV = Csv()
FORMS: Mapping[str, Form] = {"csv": CSV, "parquet": Parquet()}
"""By the word before the colon in `--out FORM:DIR`."""


def damaged(path: Path, error: Any) -> WorkError:
    return WorkError(f"{path} is damaged ({str(error).splitlines()[0]:.100}); remove it, and it is made again.")


def other_columns(path: Path) -> WorkError:
    return WorkError(f"{path} has other columns than the answers of this request; remove it, and it is made again.")
