"""Predictions as a table, one row for each picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cardinet.base.errors import RequestError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_new_file
from cardinet.base.terminal_text import visible
from cardinet.runs.table_forms import CSV, PROBLEM, Cell, Form


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

    def __init__(self, top: int, *, truth: bool, form: Form = CSV) -> None:
        self.columns = columns(top, truth=truth)
        self.rows = form.rows(self.columns)

    def add(self, path: str, classes: Sequence[str], probabilities: Sequence[float]) -> None:
        """Add a picture of unknown class."""
        self._row(path, classes, probabilities, {})

    def judge(
        self, path: str, classes: Sequence[str], probabilities: Sequence[float], truth: str, of_truth: float
    ) -> None:
        """Add a picture of the class `truth`, to which the model gave the probability `of_truth`."""
        self._row(path, classes, probabilities, {"truth": _encodable(truth), "probability_of_truth": of_truth})

    def refuse(self, path: str, problem: str) -> None:
        """Add a picture that could not be used."""
        self.rows.add({"path": _encodable(path), PROBLEM: visible(problem)})

    def _row(self, path: str, classes: Sequence[str], probabilities: Sequence[float], more: dict[str, Cell]) -> None:
        row: dict[str, Cell] = {"path": _encodable(path), **more}
        for place, (name, probability) in enumerate(zip(classes, probabilities, strict=True), 1):
            answer, chance = ("predicted", "probability") if place == 1 else (f"class_{place}", f"probability_{place}")
            row |= {answer: _encodable(name), chance: float(probability)}
        self.rows.add(row)

    def write(self, path: Path) -> None:
        """Write the file atomically. Raises WorkError if it cannot be written."""
        write_atomic(path, self.rows.content())


def columns(top: int, *, truth: bool) -> list[str]:
    """The names of the columns of a table with the `top` most probable classes of each picture."""
    known = ["truth", "probability_of_truth"] if truth else []
    further = [name for place in range(2, top + 1) for name in (f"class_{place}", f"probability_{place}")]
    return ["path", *known, "predicted", "probability", *further, *([] if truth else [PROBLEM])]


def _encodable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
