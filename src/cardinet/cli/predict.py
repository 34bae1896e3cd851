"""`cardinet predict`: the answers of a model to pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.base.amounts import amount
from cardinet.cli.options import (
    BatchSize,
    Compare,
    Device,
    Engine,
    FastWherePaying,
    Json,
    NoBounds,
    Precision,
    Processes,
    Set,
    Threshold,
    Workers,
    wanted,
)
from cardinet.cli.talk import errors, print_json, say, show

if TYPE_CHECKING:
    from cardinet.evaluate.prediction_request import Prepared
    from cardinet.runs.prediction import Prediction, Unusable


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|FOLDER ...",
            help="Picture files, folders, csv:FILE, patterns in quotes, or another source: parquet:PATH, cifar10, ...",
        ),
    ],
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="The number of classes to name.")] = 5,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE.csv|parquet:DIR|csv:DIR",
            help="A table with a row for each picture: a new file, or a folder of shards for any number of pictures. "
            "The same command goes on with a folder where it was stopped.",
        ),
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option("--shard-rows", min=1, metavar="N", help="The rows of a shard. Default: 5,000.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Only this split of a source. Default: all pictures.")
    ] = None,
    engine: Engine = "local",
    processes: Processes = None,
    threshold: Threshold = None,
    device: Device = "auto",
    batch_size: BatchSize = 128,
    workers: Workers = 2,
    fast: FastWherePaying = None,
    precision: Precision = None,
    settings: Set = None,
    compare: Compare = True,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> int:
    """Name the most probable classes of each picture. For a folder or a source it prints one JSON line per picture.

    If a picture cannot be used, or a sample of tar shards has none, it is named, the others are predicted, and the exit
    code is 1.
    """
    from cardinet.data.ordered_pictures import lost
    from cardinet.evaluate.prediction_request import Request, resolve

    request = Request(
        model=model,
        pictures=tuple(pictures),
        words=tuple(settings or ()),
        split=split,
        out=out,
        shard_rows=shard_rows,
        engine=engine,
        processes=processes,
        top=top,
        threshold=threshold,
        wanted=wanted(fast, precision),
        batch_size=batch_size,
        workers=workers,
        device=device,
        compare=compare,
    )
    found = resolve(request)
    say(*found.opened.notes)
    if missing := lost(found.pictures):
        errors(missing)
    return max(_predict(found, as_json=as_json), int(bool(missing)))


def _predict(found: Prepared, *, as_json: bool) -> int:
    """Predict, and print or write the answers. Return the exit code."""
    from cardinet.data.ordered_pictures import is_source, whole
    from cardinet.runs.prediction import predictions

    request = found.request
    if found.folder is not None:
        return _write_shards(found, as_json=as_json)
    total = len(found.pictures)
    answers = predictions(
        found.model,
        whole(found.pictures),
        request.top,
        batch_size=request.batch_size,
        workers=request.workers,
        pixel_limit=found.pixel_limit,
    )
    if request.out is not None:
        return _write(answers, found, Path(request.out), as_json=as_json)
    lines = as_json or any(Path(path).is_dir() or is_source(path) for path in request.pictures)
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
        show(f"{name:<{widest}}  {100 * probability:6.2f} %{'  yes' if name in (answer.labels or ()) else ''}")
    return True


def _write(answers: Iterator[Prediction | Unusable], found: Prepared, out: Path, *, as_json: bool) -> int:
    """Write the table."""
    from cardinet.cli.progress import Bar
    from cardinet.runs.answer_table import AnswerTable
    from cardinet.runs.prediction import Unusable

    table, failed, total = (
        AnswerTable(found.columns, truth=False, labelling=found.model.labelling),
        0,
        len(found.pictures),
    )
    with Bar("predicting") as bar:
        for done, answer in enumerate(answers, 1):
            path = found.shown(answer.path)
            if isinstance(answer, Unusable):
                failed += 1
                bar.line.clear()
                errors([answer.reason])
                table.refuse(path, answer.reason)
            else:
                table.add(path, answer.classes, answer.probabilities, answer.labels)
            bar(done, total)
    table.write(out)
    return _written(str(out), total, failed, as_json=as_json)


def _write_shards(found: Prepared, *, as_json: bool) -> int:
    """Write the missing shards of a folder."""
    from cardinet.cli.progress import Bar
    from cardinet.engines.choice import engine_named
    from cardinet.evaluate.bulk import Watcher, predict_in_shards

    class Shown(Watcher):
        def progress(self, done: int, total: int) -> None:
            bar(done, total)

        def refused(self, reason: str) -> None:
            bar.line.clear()
            errors([reason])

    assert found.folder is not None
    request = found.request
    try:
        with Bar("predicting") as bar, engine_named(request.engine, request.processes, gpus=found.gpus) as engine:
            result = predict_in_shards(found, Shown(), engine)
    except KeyboardInterrupt:
        say("The finished shards are kept; the same command goes on.")
        raise
    if result.kept:
        say(f"{result.kept:,} of {amount(result.pictures, 'row')} were there already.")
    return _written(str(found.folder.path), result.pictures, result.unusable, as_json=as_json)


def _written(out: str, total: int, failed: int, *, as_json: bool) -> int:
    """Say where the table is. Return the exit code."""
    if as_json:
        print_json({"out": out, "pictures": total, "unusable": failed})
    else:
        show(out)
    return _failed(failed, total)


def _failed(failed: int, total: int) -> int:
    """The exit code. With several pictures also print a sentence about those that could not be used."""
    if failed and total > 1:
        say(f"{failed:,} of {amount(total, 'picture')} could not be used.")
    return 1 if failed else 0
