"""`cardinet explain`: a question about a network, answered by a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.cli.options import (
    BatchSize,
    Compare,
    Device,
    Json,
    NoBounds,
    OnBadImage,
    Set,
    Split,
    Weights,
    Workers,
)
from cardinet.cli.talk import duration, print_json, say, show, show_table
from cardinet.explain.questions import QUESTIONS

if TYPE_CHECKING:
    from cardinet.explain.answer import Answer
    from cardinet.explain.request import Request


def explain(
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help=f"One of: {', '.join(QUESTIONS)}.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="A run folder, model file or network name.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE|IMAGE ...",
            help="The pictures to use; cam also takes pictures without classes. Default: those of the run.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="The file for the page. It must not exist.")
    ] = None,
    arrays: Annotated[
        Path | None,
        typer.Option(
            "--arrays",
            metavar="FILE.npz|FILE.parquet",
            help="A new file for raw values: the features of the pictures (embed), their maps and logits (cam), "
            "similarities (cardinality). A table may be a .parquet.",
        ),
    ] = None,
    split: Split = None,
    weights: Weights = None,
    settings: Set = None,
    on_bad_image: OnBadImage = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The seed of all random draws.")] = 0,
    device: Device = "auto",
    batch_size: BatchSize = 128,
    workers: Workers = 0,
    compare: Compare = True,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Ask why a network answers as it does. Without QUESTION it lists the questions.

    The answer is a few lines on the screen, a page with figures (--out), all numbers as data (--json), and raw values
    as arrays (--arrays). The settings of the question and of the pictures are changed by --set.
    """
    if question is None or model is None:
        _list(question, as_json=as_json, without=(out, arrays, split, weights, *(settings or ())))
        return
    from cardinet.cli.options import about_pictures
    from cardinet.explain.request import Request

    _answer(
        Request(
            question=question,
            model=model,
            data=source or None,
            words=about_pictures(settings, on_bad_image),
            split=split,
            weights=weights,
            out=out,
            arrays=arrays,
            seed=seed,
            batch_size=batch_size,
            workers=workers,
            device=device,
            compare=compare,
        ),
        as_json=as_json,
    )


def _list(question: str | None, *, as_json: bool, without: Sequence[object]) -> None:
    """Print the questions, or the settings of one. Raises RequestError if it was to be answered `without` a model."""
    import dataclasses
    import shutil

    from cardinet.base.errors import RequestError
    from cardinet.explain.questions import settings_of
    from cardinet.train.catalogue.text import lines

    if question is None:
        rows = [(row.name, row.about) for row in QUESTIONS.values()]
        if as_json:
            print_json([{"question": name, "asks": about} for name, about in rows])
        else:
            show_table({"question": "left", "asks": "left"}, rows)
        return
    group = settings_of(question)
    if any(word is not None for word in without):
        raise RequestError(f"Name the model too: {group.example}.")
    if as_json:
        print_json(dataclasses.asdict(group))
        return
    show(*lines([group], shutil.get_terminal_size().columns))
    say(f"Name a model to ask it: {group.example}. Give a setting by --set KEY=VALUE.")


def _answer(request: Request, *, as_json: bool) -> None:
    """Answer the question, and print the answer or write its page."""
    from cardinet.cli.progress import Bar, Phases
    from cardinet.explain.array_file import write_arrays
    from cardinet.explain.job import answer, document
    from cardinet.explain.request import resolve
    from cardinet.report.explain_page import write_page

    started = time.monotonic()
    with Bar("checking pictures") as bar:
        asked = resolve(request, bar)
    say(*asked.subject.opened.notes)
    with Phases() as phases:
        found = answer(asked, phases)
    if request.out is not None:
        write_page(asked, found, request.out)
    if request.arrays is not None:
        write_arrays(request.arrays, found.arrays, document(asked, found))
    if as_json:
        print_json(document(asked, found))
    else:
        _print(found)
    if request.out is not None:
        say(f"The page is {request.out}.")
    if request.arrays is not None:
        say(f"The arrays are {request.arrays}: {', '.join(found.arrays)}.")
    say(f"Done in {duration(time.monotonic() - started)}.")


def _print(found: Answer) -> None:
    show(*found.lead)
    for name, value in found.strip.items():
        show(f"{name}: {value}")
