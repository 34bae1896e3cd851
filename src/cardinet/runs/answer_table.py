"""The answers to pictures as a CSV file, one row a picture."""

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
    """Raise RequestError where the file cannot be such a table: another name, there already, or no place for it."""
    if path.suffix.lower() != ".csv":
        raise RequestError(f"--out {path}: the table of answers is a CSV file; give a name that ends in .csv.")
    check_new_file(path)


class AnswerTable:
    """The rows in the making. A cell that is not known stays empty.

    The columns: `path`; `truth` and `probability_of_truth` where the truth is known; `predicted` and `probability`;
    `class_2`, `probability_2`, ... for the next most probable classes; `problem` where the truth is not known, which
    says why a picture could not be used. Probabilities have all their digits. A program joins by the paths and classes,
    so they are the very names, quoted where CSV needs it; only bytes that are no UTF-8 are written as \\udcff.
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
        """A picture whose truth is not known."""
        self._row(path, classes, probabilities, {})

    def judge(
        self, path: str, classes: Sequence[str], probabilities: Sequence[float], truth: str, of_truth: float
    ) -> None:
        """A picture whose truth is known, and the probability that the true class was given."""
        self._row(path, classes, probabilities, {"truth": _encodable(truth), "probability_of_truth": repr(of_truth)})

    def refuse(self, path: str, problem: str) -> None:
        """A picture that could not be used."""
        self.writer.writerow({"path": _encodable(path), "problem": visible(problem)})

    def _row(self, path: str, classes: Sequence[str], probabilities: Sequence[float], more: dict[str, str]) -> None:
        row = {"path": _encodable(path), **more}
        for place, (name, probability) in enumerate(zip(classes, probabilities, strict=True), 1):
            columns = ("predicted", "probability") if place == 1 else (f"class_{place}", f"probability_{place}")
            row |= zip(columns, (_encodable(name), repr(float(probability))), strict=True)
        self.writer.writerow(row)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises WorkError."""
        write_atomic(path, self.text.getvalue())


class _Lines(io.StringIO):
    """Rows that end in a line feed.

    The writer ends them by both signs: before Python 3.13 a cell is quoted only for the signs that end the writer's
    rows.
    """

    END = "\r\n"

    def write(self, row: str) -> int:
        return super().write(row.removesuffix(self.END) + "\n")


def _encodable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
