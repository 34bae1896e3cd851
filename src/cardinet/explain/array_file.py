"""The raw values of an answer as a file for other programs: arrays in .npz of numpy, or a table in .parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cardinet.base.documents import to_json
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import publish_files, temporary_folder_beside
from cardinet.base.output_paths import check_new_file
from cardinet.runs.environment import versions

Array = npt.NDArray[Any]
Shape = Literal["none", "table", "several"]
"""The arrays of an answer: none, a table with one row a picture, or several with numbers of rows of their own."""

ABOUT = "cardinet"
"""The entry of .npz and the key of the metadata of .parquet that hold a JSON document about the arrays."""
SCHEMA = 1
TABLE, ARRAYS = ".parquet", ".npz"


def check_array_file(path: Path, question: str, shape: Shape) -> None:
    """Raise RequestError if the arrays of a question cannot be written to a new file of this name."""
    if shape == "none":
        raise RequestError(f'"{question}" has no arrays, --json prints all of its numbers; omit --arrays.')
    if path.suffix == TABLE and shape != "table":
        raise RequestError(
            f'{path} is a table, and the arrays of "{question}" have different numbers of rows; end its name with '
            f"{ARRAYS}."
        )
    if path.suffix not in WRITERS:
        allowed = f"{ARRAYS} or {TABLE}" if shape == "table" else ARRAYS
        raise RequestError(f"{path} cannot hold arrays; end its name with {allowed}.")
    check_new_file(path)


def write_arrays(path: Path, arrays: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Write arrays with their names, whole or not at all; a text that is not Unicode is escaped.

    Beside them stand the document of the answer, the schema and the versions of programs (`ABOUT`). Raises WorkError if
    the file cannot be written or has appeared in the meantime.
    """
    about = to_json({"schema": SCHEMA, "versions": versions(), **document})
    plain = {name: _plain(np.asarray(values)) for name, values in arrays.items()}
    with temporary_folder_beside(path) as folder:
        made = folder / path.name
        try:
            WRITERS[path.suffix](made, plain, about)
        except OSError as error:
            raise WorkError(f"{path} could not be written: {error.strerror or error}.") from error
        publish_files({made: path})


def _plain(values: Array) -> Array:
    """The array, its texts without lone surrogates, which no file of UTF-8 can hold. Raises TypeError for objects."""
    if values.dtype.hasobject:
        raise TypeError("An array of objects would be written as a pickle.")
    if values.dtype.kind != "U":
        return values
    texts = [text.encode("utf-8", "backslashreplace").decode() for text in values.ravel().tolist()]
    return np.array(texts, np.str_).reshape(values.shape)


def _npz(path: Path, arrays: Mapping[str, Array], about: str) -> None:
    entries: dict[str, Any] = {**arrays, ABOUT: np.array(about)}
    np.savez(path, **entries)


def _parquet(path: Path, arrays: Mapping[str, Array], about: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _column(values) for name, values in arrays.items()}
    pq.write_table(pa.table(columns).replace_schema_metadata({ABOUT: about}), path)


def _column(values: Array) -> Any:
    """A column of a table. A row of more than one number is a list of fixed size, of lists for more axes."""
    import pyarrow as pa

    column = pa.array(values.ravel())
    for size in reversed(values.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


WRITERS: dict[str, Callable[[Path, Mapping[str, Array], str], None]] = {ARRAYS: _npz, TABLE: _parquet}
"""The writers by the ending of the file."""
