"""Predictions as a table, one row for each picture."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from cardinet.base.errors import RequestError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_new_file
from cardinet.base.terminal_text import visible
from cardinet.data.labelling import ONE, Labelling, Name
from cardinet.runs.computed_by import EAGER, ComputedBy
from cardinet.runs.table_forms import CSV, FORMS, PROBLEM, Cell, Form

LABELS = "labels"

HEADS: Mapping[Name, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "one": (("truth", "probability_of_truth"), ()),
    "several": (("truth",), (LABELS,)),
}
"""The columns of what is known of a picture, and those before its most probable classes, by its number of labels."""


def check_table(path: Path) -> None:
    """Raise RequestError if `path` does not end in .csv, exists already or cannot be written."""
    if path.suffix.lower() != ".csv":
        form = path.suffix.lower().removeprefix(".")
        shards = form if form in FORMS else "parquet"
        raise RequestError(
            f"--out {path}: the table of answers is a CSV file; give a name that ends in .csv, or a folder of shards "
            f"for any number of pictures: --out {shards}:{shlex.quote(str(path.with_suffix('')))}."
        )
    check_new_file(path)


class AnswerTable:
    """The rows of the table. Unknown cells stay empty.

    The columns are `path`; with `truth` also `truth` and `probability_of_truth`; `predicted` and `probability`;
    `class_2`, `probability_2`, ... for the next classes; without `truth` also `problem`, the reason why a picture could
    not be used. Where a picture may have several labels, `labels` has those that it gets and `truth` its own, joined by
    | (`joined`), and the most probable classes are `class_1`, `probability_1`, ... Probabilities have all their digits.
    Paths and classes are the exact names, so that programs can join tables by them; only bytes that are not UTF-8 are
    written as \\udcff. A form with metadata, such as parquet, has what computed the answers there (`by`).
    """

    def __init__(
        self, top: int, *, truth: bool, form: Form = CSV, labelling: Labelling = ONE, by: ComputedBy = EAGER
    ) -> None:
        self.places = _places(top, labelling)
        self.columns = columns(top, truth=truth, labelling=labelling)
        self.rows = form.rows(self.columns, {f"cardinet_{name}": text for name, text in by.model_dump().items()})

    def add(
        self,
        path: str,
        classes: Sequence[str],
        probabilities: Sequence[float],
        labels: Sequence[str] | None = None,
        **known: Cell,
    ) -> None:
        """Add a picture with its most probable classes; `labels` are those that it gets, if it may have several.

        `known` are its `truth` and `probability_of_truth`.
        """
        row: dict[str, Cell] = {"path": _encodable(path)}
        row |= {name: _encodable(cell) if isinstance(cell, str) else cell for name, cell in known.items()}
        row |= {} if labels is None else {LABELS: _encodable(joined(labels))}
        for (answer, chance), name, probability in zip(self.places, classes, probabilities, strict=False):
            row |= {answer: _encodable(name), chance: float(probability)}
        self.rows.add(row)

    def refuse(self, path: str, problem: str) -> None:
        """Add a picture that could not be used."""
        self.rows.add({"path": _encodable(path), PROBLEM: visible(problem)})

    def write(self, path: Path) -> None:
        """Write the file atomically. Raises WorkError if it cannot be written."""
        write_atomic(path, self.rows.content())


def columns(top: int, *, truth: bool, labelling: Labelling = ONE) -> list[str]:
    """The names of the columns of a table with the `top` most probable classes of each picture."""
    known, first = HEADS[labelling.NAME]
    places = [name for place in _places(top, labelling) for name in place]
    return ["path", *(known if truth else ()), *first, *places, *([] if truth else [PROBLEM])]


def _places(top: int, labelling: Labelling) -> list[tuple[str, str]]:
    """The columns of each of the most probable classes, and of its probability."""
    numbered = [(f"class_{place}", f"probability_{place}") for place in range(1, top + 1)]
    return [("predicted", "probability"), *numbered[1:]] if labelling is ONE else numbered


def joined(labels: Sequence[str]) -> str:
    """Labels as one text, with | between them; a | or backslash within a name has a backslash before it."""
    return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in labels)


def _encodable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
