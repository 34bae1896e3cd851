"""Predictions as a CSV file, one row for each picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cardinet.base.errors import RequestError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_new_file
from cardinet.base.terminal_text import visible


def check_table(path: Path) -> None:
    """Raise RequestError if `path` does not end in .csv, exists already or cannot be written."""
    if path.suffix.lower() != ".csv":
        raise RequestError(f"--out {path}: the table of answers is a CSV file; give a name that ends in .csv.")
    check_new_file(path)


class AnswerTable:
    """The rows of the table. Unknown cells stay empty.

    The columns are `path`; with `truth` also `truth` and `probability_of_truth`; `predicted` and `probability`;
    `class_2`, `probability_2`, ... for the next classes; without `truth` also `problem`, the reason why a picture could
    not be used. Probabilities have all their digits. Paths and classes are the exact names, so that programs can join
    tables by them; only bytes that are not UTF-8 are written as \\udcff.
    """

    def __init__(self, top: int, *, truth: bool) -> None:
        self.truth = truth
        known = ["truth", "probability_of_truth"] if truth else []
        further = [name for place in range(2, top + 1) for name in (f"class_{place}", f"probability_{place}")]
        self.columns = ["path", *known, "predicted", "probability", *further, *([] if truth else ["problem"])]
        self.text = _Lines()
        self.writer = csv.DictWriter(self.text, self.columns, lineterminator=_Lines.END)
        self.writer.writeheader()

    def add(self, path: str, classes: Sequence[str], probabilities: Sequence[float]) -> None:
        """Add a picture of unknown class."""
        self._row(path, classes, probabilities, {})

    def judge(
        self, path: str, classes: Sequence[str], probabilities: Sequence[float], truth: str, of_truth: float
    ) -> None:
        """Add a picture of the class `truth`, to which the model gave the probability `of_truth`."""
        self._row(path, classes, probabilities, {"truth": _encodable(truth), "probability_of_truth": repr(of_truth)})

    def refuse(self, path: str, problem: str) -> None:
        """Add a picture that could not be used."""
        self.writer.writerow({"path": _encodable(path), "problem": visible(problem)})

    def _row(self, path: str, classes: Sequence[str], probabilities: Sequence[float], more: dict[str, str]) -> None:
        row = {"path": _encodable(path), **more}
        for place, (name, probability) in enumerate(zip(classes, probabilities, strict=True), 1):
            columns = ("predicted", "probability") if place == 1 else (f"class_{place}", f"probability_{place}")
            row |= zip(columns, (_encodable(name), repr(float(probability))), strict=True)
        self.writer.writerow(row)

    def write(self, path: Path) -> None:
        """Write the file atomically. Raises WorkError if it cannot be written."""
        write_atomic(path, self.text.getvalue())


class _Lines(io.StringIO):
    """Rows that end in a line feed.

    The writer itself ends them with both characters, as before Python 3.13 it quotes a cell only if the cell has a
    character of its line ending.
    """

    END = "\r\n"

    def write(self, row: str) -> int:
        return super().write(row.removesuffix(self.END) + "\n")


def _encodable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
