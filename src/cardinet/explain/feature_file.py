"""Features of pictures as a file for other programs: .npz of numpy, or .parquet."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cardinet.base.documents import to_json
from cardinet.base.errors import RequestError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_new_file
from cardinet.base.version import __version__
from cardinet.data.source import Split
from cardinet.evaluate.outputs import Outputs

COLUMNS = ("path", "class", "predicted", "probability")
"""The entries beside the features: the place in the source, the true class, the answer and its probability."""


def check_feature_file(path: Path) -> None:
    """Raise RequestError if features cannot be written to a new file of this name."""
    if path.suffix not in WRITERS:
        raise RequestError(f"{path} cannot hold features; end its name with {' or '.join(WRITERS)}.")
    check_new_file(path)


def write_features(path: Path, found: Outputs, split: Split, classes: Sequence[str]) -> None:
    """Write a row for each picture of the split: `COLUMNS` and its features, float32. It is written atomically."""
    names = [name.encode("utf-8", "backslashreplace").decode() for name in classes]
    columns = {
        "path": [split.names.key(i) for i in range(len(split))],
        "class": [names[k] for k in found.truth],
        "predicted": [names[k] for k in found.predicted],
        "probability": np.exp(found.logs.max(1)),
    }
    buffer = io.BytesIO()
    WRITERS[path.suffix](buffer, columns, found.features)
    write_atomic(path, buffer.getvalue())


def _npz(buffer: io.BytesIO, columns: dict[str, Any], features: Any) -> None:
    arrays: dict[str, Any] = {key: np.asarray(values) for key, values in columns.items()}
    np.savez_compressed(buffer, features=features, **arrays)


def _parquet(buffer: io.BytesIO, columns: dict[str, Any], features: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    arrays = {key: pa.array(values) for key, values in columns.items()} | {"features": lists}
    table = pa.table(arrays).replace_schema_metadata({"cardinet": to_json({"version": __version__})})
    pq.write_table(table, buffer)


WRITERS: dict[str, Callable[[io.BytesIO, dict[str, Any], Any], None]] = {".npz": _npz, ".parquet": _parquet}
"""The writers by the ending of the file."""
