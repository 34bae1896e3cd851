"""`cardinet eval`: the exact error of a model on a source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardinet.cli.options import Device, Json, Set, Workers
from cardinet.cli.talk import print_json, say

if TYPE_CHECKING:
    from cardinet.data.source import Source
    from cardinet.evaluate.classification import Evaluation
    from cardinet.runs.model_file import Model

Statistics = Mapping[str, tuple[float, ...]]


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, model file or network name.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="What to evaluate on; a run knows its own.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="train, validation or test (default: test if there).")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="WEIGHTS", help="For a named network: a file, torchvision:, timm:, hub:NAME."
        ),
    ] = None,
    mean: Annotated[str | None, typer.Option("--mean", metavar="X,X,X", help="Instead of the model's own.")] = None,
    std: Annotated[str | None, typer.Option("--std", metavar="X,X,X", help="Instead of the model's own.")] = None,
    crops: Annotated[
        Literal[1, 10], typer.Option("--crops", metavar="1|10", help="10: average corners, centre and mirror images.")
    ] = 1,
    passes: Annotated[
        int, typer.Option("--passes", min=1, max=10_000, metavar="N", help="Average N passes with Swapout's draws on.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.csv", help="Write a table of the answers, a row a picture; must not exist."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="How many classes a row of it names.")] = 5,
    settings: Set = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, metavar="N")] = 128,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Evaluate on every picture of a split, each counted once."""
    from cardinet.cli.progress import Bar
    from cardinet.evaluate.answers import answer_table
    from cardinet.evaluate.classification import evaluate as run

    _check_table(out)
    place, source, classifier, chosen = _checked(
        model, weights, data, split, mean=mean, std=std, passes=passes, settings=settings, device=device
    )
    with Bar("evaluating") as bar:
        result = run(
            classifier.network,
            source.splits[chosen],
            classifier.preprocessing,
            len(source.classes),
            crops=crops,
            passes=passes,
            top=top,
            batch_size=batch_size,
            workers=workers,
            device=place,
            progress=bar,
        )
    if out is not None:
        answer_table(result, source.splits[chosen], source.classes).write(out)
        say(f"The answer to each picture is in {out}.")
    if as_json:
        about = classifier.preprocessing.as_settings()
        how = {"crops": crops, "passes": passes, "preprocessing": about}
        print_json({"model": model, "data": source.text, **result.to_document(source.classes), **how})
    else:
        _print(result, source.classes, classifier)


def _checked(
    model: str,
    weights: str | None,
    data: str | None,
    split: str | None,
    *,
    mean: str | None,
    std: str | None,
    passes: int,
    settings: list[str] | None,
    device: str,
) -> tuple[str, Source, Model, str]:
    """The device, the pictures, the classifier and the split; whatever is wrong with them is reported together."""
    from cardinet.base.errors import Findings
    from cardinet.cli.options import network_and_data
    from cardinet.evaluate.matching import check_classes, check_passes, choose_split
    from cardinet.runs.environment import device_of

    findings, place = Findings(), "cpu"
    with findings:
        place = device_of(device)
    with findings:
        given = _statistics(mean, std)
    about_network: dict[str, Any] = {}
    about_data = settings
    with findings:
        if weights is not None:
            about_network, about_data = network_and_data(settings)
    with findings:
        make = _maker(model, weights, about_network, place)
    with findings:
        source = _source(model, data, about_data)
    findings.raise_if_any()
    with findings:
        classifier = _changed(make(source), given)
        check_classes(classifier, source)
        check_passes(classifier, passes)
    with findings:
        chosen = choose_split(source, split)
    findings.raise_if_any()
    return place, source, classifier, chosen


def _print(result: Evaluation, classes: Sequence[str], model: Model) -> None:
    """The error, the scores of the classes, and what was done to the pictures, as that differs most often between
    libraries.
    """
    from cardinet.cli.score_table import score_table

    print(
        f"{result.split} error {100 * result.error:.2f} %: {result.wrong:,} of {result.count:,} pictures wrong, "
        "each counted once"
    )
    if result.top5_wrong is not None:
        print(f"top-5 error {100 * result.top5_wrong / result.count:.2f} %: {result.top5_wrong:,} pictures")
    print("", *score_table(result, classes), sep="\n")
    p = model.preprocessing
    resize = "as it is" if p.resize is None else f"shorter side {p.resize} ({p.interpolation}, antialias {p.antialias})"
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (p.mean, p.std))
    say(f"loss {result.loss:.4f}; input {resize}, size {p.crop}, mean {mean}, std {std}; float32.")


def _check_table(out: Path | None) -> None:
    from cardinet.runs.answer_table import check_table

    if out is not None:
        check_table(out)


def _statistics(mean: str | None, std: str | None) -> Statistics:
    """`--mean` and `--std` as numbers."""
    import math

    from cardinet.base.errors import Findings, RequestError

    findings = Findings()
    given = {}
    for name, text in (("mean", mean), ("std", std)):
        with findings:
            try:
                values = tuple(float(word) for word in text.split(",")) if text is not None else ()
            except ValueError:
                values = (math.nan,)
            if not all(map(math.isfinite, values)) or (name == "std" and any(value <= 0 for value in values)):
                above = " above 0" if name == "std" else ""
                raise RequestError(f'--{name} "{text}": give numbers{above} with commas, one for each channel.')
            if values:
                given[name] = values
    findings.raise_if_any()
    return given


def _source(model: str, data: str | None, settings: list[str] | None) -> Source:
    """The pictures that are asked for, else those of the run."""
    from cardinet.base.errors import RequestError
    from cardinet.cli.options import chosen_source

    source = chosen_source(model, data, settings)
    if source is None:
        raise RequestError("Name the pictures to evaluate on with --data; only a run folder knows its own.")
    return source


def _maker(model: str, weights: str | None, delta: Mapping[str, Any], device: str) -> Callable[[Source], Model]:
    """The model, read and checked as far as that goes without the pictures."""
    from cardinet.base.errors import Findings, RequestError
    from cardinet.cli.options import model_path, read_model
    from cardinet.networks.registry import find
    from cardinet.weights.source import read_weights

    if weights is None:
        classifier = read_model(model, device)
        return lambda source: classifier
    findings = Findings()
    with findings:
        if model_path(model) is not None:
            raise RequestError(f"--weights is for a network by its name; {model} has its own parameters.")
        row = find(model)
        row.spec.but(**delta)
    with findings:
        found = read_weights(weights)
        if found.model_file:
            raise RequestError(
                f"{weights} is a model file, which knows its network and classes; cardinet eval {weights}."
            )
    findings.raise_if_any()

    def make(source: Source) -> Model:
        from cardinet.train.pretrained import pretrained

        classifier, sentences = pretrained(row, delta, found, source, device)
        for sentence in sentences:
            say(sentence)
        return classifier

    return make


def _changed(model: Model, given: Statistics) -> Model:
    """The model with another mean or deviation."""
    from cardinet.base.settings import validate
    from cardinet.data.preprocessing import Preprocessing

    document = {**model.preprocessing.model_dump(), **given}
    return dataclasses.replace(model, preprocessing=validate(Preprocessing, document))
