"""A file in which a user decides about pictures: a row each, with an empty column for the decision."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from cardinet.base.errors import RequestError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_new_file


@dataclass(frozen=True)
class Decision:
    """A picture to decide about. `path` is its place in the source; `finding` is "label" or "duplicate".

    For a label `given` and `suggested` are classes, and `score` the probability of the given one. For a duplicate they
    are the classes of both pictures, `score` is the correlation and `other` the place of the other picture.
    """

    path: str
    split: str
    finding: str
    given: str
    suggested: str
    score: float
    other: str = ""
    decision: str = ""


def check_decisions(path: Path) -> None:
    """Raise RequestError if the file cannot be written: another ending than .csv, or a name that exists."""
    if path.suffix.lower() != ".csv":
        raise RequestError(f"{path} cannot be the table of decisions; end its name with .csv.")
    check_new_file(path)


def write_decisions(path: Path, rows: Sequence[Decision]) -> None:
    """Write the table atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Decision)])
    writer.writerows([str(value) for value in astuple(row)] for row in rows)
    write_atomic(path, text.getvalue().encode("utf-8", "backslashreplace"))
