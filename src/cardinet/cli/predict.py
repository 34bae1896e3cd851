"""`cardinet predict`: the answers of a model to pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.cli.options import BatchSize, Compare, Device, Json, NoBounds, Set, Workers
from cardinet.cli.talk import errors, print_json, say, show

if TYPE_CHECKING:
    from cardinet.runs.prediction import Prediction, Unusable


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    pictures: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE|FOLDER ...", help="Picture files, folders, csv:FILE, or patterns in quotes."),
    ],
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="The number of classes to name.")] = 5,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.csv", help="A table with a row for each picture. It must not exist."),
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = 128,
    workers: Workers = 2,
    settings: Set = None,
    compare: Compare = True,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> int:
    """Name the most probable classes of each picture. For a folder it prints one JSON line per picture.

    If a picture cannot be used, it is named, the others are predicted, and the exit code is 1.
    """
    from cardinet.evaluate.prediction_request import resolve
    from cardinet.runs.prediction import predictions

    found = resolve(model, pictures, words=settings or (), out=out, device=device, compare=compare)
    say(*found.opened.notes)
    classifier, total = found.opened.model, len(found.pictures)
    answers = predictions(
        classifier, found.pictures, top, batch_size=batch_size, workers=workers, pixel_limit=found.pixel_limit
    )
    if out is not None:
        only = pictures[0] if len(pictures) == 1 and pictures[0].is_dir() else None
        columns = min(top, len(classifier.classes))
        return _write(answers, total, columns, out, below=only, as_json=as_json)
    lines = as_json or any(path.is_dir() for path in pictures)
    failed = sum(not _print(answer, lines=lines, named=total > 1) for answer in answers)
    return _failed(failed, total)


def _print(answer: Prediction | Unusable, *, lines: bool, named: bool) -> bool:
    """Print an answer. Return False if there is none because the picture cannot be used."""
    from cardinet.runs.prediction import Unusable

    if isinstance(answer, Unusable):
        errors([answer.reason])
        return False
    if lines:
        print_json(answer.to_document())
        return True
    if named:
        show(str(answer.path))
    widest = max(len(name) for name in answer.classes)
    for name, probability in zip(answer.classes, answer.probabilities, strict=True):
        show(f"{name:<{widest}}  {100 * probability:6.2f} %")
    return True


def _write(
    answers: Iterator[Prediction | Unusable], total: int, columns: int, out: Path, *, below: Path | None, as_json: bool
) -> int:
    """Write the table. The paths are relative to the folder if only one folder is given, else they are as given."""
    from cardinet.cli.progress import Bar
    from cardinet.runs.answer_table import AnswerTable
    from cardinet.runs.prediction import Unusable

    table, failed = AnswerTable(columns, truth=False), 0
    with Bar("predicting") as bar:
        for done, answer in enumerate(answers, 1):
            path = answer.path if below is None else os.path.relpath(answer.path, below)
            if isinstance(answer, Unusable):
                failed += 1
                bar.line.clear()
                errors([answer.reason])
                table.refuse(path, answer.reason)
            else:
                table.add(path, answer.classes, answer.probabilities)
            bar(done, total)
    table.write(out)
    if as_json:
        print_json({"out": str(out), "pictures": total, "unusable": failed})
    else:
        show(str(out))
    return _failed(failed, total)


def _failed(failed: int, total: int) -> int:
    """The exit code. With several pictures also print a sentence about those that could not be used."""
    if failed and total > 1:
        say(f"{failed:,} of {total:,} pictures could not be used.")
    return 1 if failed else 0
