"""`cardinet eval`: the exact error of a model on a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cardinet.base.whole_numbers import PASSES
from cardinet.cli.options import (
    BatchSize,
    Compare,
    Device,
    Fast,
    Json,
    NoBounds,
    OnBadImage,
    Precision,
    Set,
    Split,
    Threshold,
    Weights,
    Workers,
)
from cardinet.cli.talk import print_json, say, show

if TYPE_CHECKING:
    from cardinet.evaluate.classification import Result
    from cardinet.evaluate.evaluation_settings import Crops
    from cardinet.evaluate.opening import Make
    from cardinet.evaluate.request import Request
    from cardinet.runs.model_file import Model

_CROPS: dict[str, Crops] = {"1": 1, "10": 10, "dense": "dense"}


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, model file or network name.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="The pictures to use. Default: those of the run.")
    ] = None,
    split: Split = None,
    weights: Weights = None,
    mean: Annotated[
        str | None, typer.Option("--mean", metavar="X,X,X", help="The mean of each channel. Default: the model's.")
    ] = None,
    std: Annotated[
        str | None, typer.Option("--std", metavar="X,X,X", help="The deviation of each channel. Default: the model's.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=1, metavar="N", help="The side of the input. Default: the model's.")
    ] = None,
    crops: Annotated[
        Literal["1", "10", "dense"],
        typer.Option(
            "--crops",
            metavar="1|10|dense",
            help="10: average the corners, the centre and their mirror images. dense: average all places of the whole "
            "picture.",
        ),
    ] = "1",
    passes: Annotated[
        int, typer.Option("--passes", min=1, max=PASSES, metavar="N", help="Average N random passes (Swapout).")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.csv", help="A table with a row for each picture. It must not exist."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="The number of classes in a row of --out.")] = 5,
    threshold: Threshold = None,
    on_bad_image: OnBadImage = None,
    settings: Set = None,
    device: Device = "auto",
    batch_size: BatchSize = 128,
    workers: Workers = 2,
    fast: Fast = None,
    precision: Precision = None,
    compare: Compare = True,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Evaluate a model on every picture of a split. Each picture is counted once."""
    from cardinet.cli.options import about_pictures, wanted
    from cardinet.evaluate.evaluation_settings import EvaluationSettings
    from cardinet.evaluate.request import Request

    prepare, words = _weights(model, weights, about_pictures(settings, on_bad_image), compare=compare)
    request = Request(
        model=model,
        data=data,
        words=words,
        split=split,
        prepare=prepare,
        mean=mean,
        std=std,
        size=size,
        threshold=threshold,
        how=EvaluationSettings(crops=_CROPS[crops], passes=passes, top=top, batch_size=batch_size, workers=workers),
        wanted=wanted(fast, precision),
        device=device,
        compare=compare,
        out=out,
    )
    _answer(request, as_json=as_json)


def _weights(
    model: str, weights: str | None, words: tuple[str, ...], *, compare: bool
) -> tuple[Callable[[str], Make] | None, tuple[str, ...]]:
    """A function that makes a named network with weights, and the words of `--set` for the pictures."""
    if weights is None:
        return None, words
    from functools import partial

    from cardinet.cli.options import network_and_data
    from cardinet.train.pretrained import prepared

    of_network, of_pictures = network_and_data(words)
    return partial(prepared, network=model, weights=weights, words=of_network, compare=compare), of_pictures


def _answer(request: Request, *, as_json: bool) -> None:
    """Evaluate, and print the result."""
    from cardinet.cli.progress import Bar
    from cardinet.evaluate.job import document, measure
    from cardinet.evaluate.request import resolve

    with Bar("checking pictures") as bar:
        opened = resolve(request, bar)
    say(*opened.notes)
    with Bar("evaluating") as bar:
        result = measure(request, opened, bar)
    if request.out is not None:
        say(f"The answer to each picture is in {request.out}.")
    if as_json:
        print_json({"model": request.model, **document(request, opened, result)})
    else:
        _print(result, opened.model)


def _print(result: Result, model: Model) -> None:
    """Print the error, the scores of the classes, and the preprocessing, which libraries most often do differently."""
    from cardinet.cli.label_table import label_lines
    from cardinet.cli.score_table import score_lines
    from cardinet.data.splitting import WHOLE
    from cardinet.evaluate.label_sets import LabelEvaluation
    from cardinet.runs.computed_by import computed_by
    from cardinet.runs.figure_words import result_words

    split = "" if result.split == WHOLE else result.split
    show(f"{result_words(split, result.summary())}, each counted once")
    show(
        *(
            label_lines(result, model.classes)
            if isinstance(result, LabelEvaluation)
            else score_lines(result, model.classes)
        )
    )
    p = model.preprocessing
    resize = "as it is" if p.resize is None else f"shorter side {p.resize} ({p.interpolation}, antialias {p.antialias})"
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (p.mean, p.std))
    by = computed_by(model.network).name
    say(f"loss {result.loss:.4f}; input {resize}, size {p.crop}, mean {mean}, std {std}; {by}.")
