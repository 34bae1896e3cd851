"""`cardinet export`: a model as a file for another runtime. The file is checked by running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.base.whole_numbers import THREADS
from cardinet.cli.options import Json, NoBounds, OnBadImage, Set, Workers
from cardinet.cli.talk import print_json, say, show
from cardinet.runtimes.formats import FORMATS, suffixes
from cardinet.runtimes.formats.onnx import OPSETS

if TYPE_CHECKING:
    from cardinet.export.request import Request

Format = Annotated[str, typer.Option("--format", metavar="|".join(FORMATS), help="The format of the new file.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help=f"The new file ({suffixes()}). It must not exist.")]
Int8 = Annotated[bool, typer.Option("--int8", help="Quantize to 8 bits. Training pictures calibrate it.")]
Data = Annotated[
    str | None, typer.Option("--data", metavar="SOURCE", help="The pictures for the proof. Default: those of the run.")
]
Opset = Annotated[
    int | None,
    typer.Option("--opset", metavar="N", help=f"The version of ONNX's operators, {OPSETS.start} to {OPSETS.stop - 1}."),
]
WithPreprocessing = Annotated[
    bool,
    typer.Option("--with-preprocessing", help="Put scaling and normalisation in the graph. Its input is then uint8."),
]
Proving = Annotated[int, typer.Option("--pictures", metavar="N", help="The largest number of pictures in the proof.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, max=THREADS, metavar="N", help="The number of threads in every runtime."),
]


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    format: Format,
    out: Out,
    int8: Int8 = False,
    data: Data = None,
    opset: Opset = None,
    with_preprocessing: WithPreprocessing = False,
    pictures: Proving = 10_000,
    threads: Threads = None,
    on_bad_image: OnBadImage = None,
    settings: Set = None,
    workers: Workers = 2,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Write a model for another runtime, run the new file on validation pictures, and compare the answers.

    The file is not kept if a float file predicts other classes, or if the error of an int8 file is more than 0.5 points
    higher.
    """
    from cardinet.cli.options import about_pictures
    from cardinet.export.request import Request

    request = Request(
        format=format,
        out=out,
        int8=int8,
        opset=opset,
        with_preprocessing=with_preprocessing,
        pictures=pictures,
        threads=threads,
        workers=workers,
    )
    _export(request, model, data, about_pictures(settings, on_bad_image), as_json=as_json)


def _export(request: Request, model: str, data: str | None, words: tuple[str, ...], *, as_json: bool) -> None:
    """Export, and print the proof."""
    from functools import partial

    from cardinet.cli.progress import Screen
    from cardinet.export.job import export_model
    from cardinet.export.request import resolve
    from cardinet.export.summary import sentences

    screen = Screen()
    try:
        opened = resolve(request, model, data, words, partial(screen.progress, "checking pictures"))
        for note in opened.notes:
            screen.said(note)
        made = export_model(opened.model, request, opened.source, screen.progress)
    finally:
        screen.close()
    if as_json:
        print_json({"model": model, **made.to_document()})
        return
    show(str(request.out))
    say(*sentences(made, opened.model))
