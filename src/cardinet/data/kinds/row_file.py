"""A file of rows that pyarrow reads: parquet, or Arrow's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True, eq=False)
class RowFile:
    """A file of rows: its columns, the number of rows, and a function that reads one column."""

    path: Path
    schema: pa.Schema
    rows: int
    read: Callable[[str], pa.ChunkedArray]
