"""`cardinet eval`: the exact error of a model on a source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardinet.base.numbers import PASSES
from cardinet.cli.options import Compare, Device, Json, NoBounds, OnBadImage, Set, Workers
from cardinet.cli.talk import print_json, say, show

if TYPE_CHECKING:
    from cardinet.data.source import Source
    from cardinet.evaluate.classification import Evaluation
    from cardinet.evaluate.opening import Opened
    from cardinet.runs.model_file import Model

Statistics = Mapping[str, tuple[float, ...]]


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, model file or network name.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="What to evaluate on; a run knows its own.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="train, validation, test or all; test if there."),
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
        int, typer.Option("--passes", min=1, max=PASSES, metavar="N", help="Average N passes with Swapout's draws on.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.csv", help="Write a table of the answers, a row a picture; must not exist."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="How many classes a row of it names.")] = 5,
    on_bad_image: OnBadImage = None,
    settings: Set = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, metavar="N")] = 128,
    workers: Workers = 2,
    compare: Compare = True,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Evaluate on every picture of a split, each counted once."""
    from cardinet.cli.progress import Bar
    from cardinet.evaluate.answers import answer_table
    from cardinet.evaluate.classification import evaluate as run
    from cardinet.measure.available import require_confusion
    from cardinet.runs.room import require_batch

    place, opened, classifier = _checked(
        model,
        weights,
        data,
        split,
        mean=mean,
        std=std,
        passes=passes,
        on_bad_image=on_bad_image,
        settings=settings,
        device=device,
        out=out,
        compare=compare,
    )
    for note in opened.notes:
        say(note)
    require_confusion(len(classifier.classes))
    require_batch(classifier.network, classifier.preprocessing, min(batch_size, len(opened.pictures)), "An evaluation")
    with Bar("evaluating") as bar:
        result = run(
            classifier.network,
            opened.pictures,
            classifier.preprocessing,
            len(classifier.classes),
            crops=crops,
            passes=passes,
            top=top,
            batch_size=batch_size,
            workers=workers,
            device=place,
            progress=bar,
        )
    if out is not None:
        answer_table(result, opened.pictures, classifier.classes).write(out)
        say(f"The answer to each picture is in {out}.")
    if as_json:
        about = classifier.preprocessing.as_settings()
        how = {"crops": crops, "passes": passes, "preprocessing": about}
        how |= {"notes": list(opened.notes)}
        print_json({"model": model, "data": opened.source.text, **result.to_document(classifier.classes), **how})
    else:
        _print(result, classifier)


def _checked(
    model: str,
    weights: str | None,
    data: str | None,
    split: str | None,
    *,
    mean: str | None,
    std: str | None,
    passes: int,
    on_bad_image: str | None,
    settings: list[str] | None,
    device: str,
    out: Path | None,
    compare: bool,
) -> tuple[str, Opened, Model]:
    """The device, the pictures and the classifier; whatever is wrong with them is reported together."""
    from cardinet.base.errors import Findings, RequestError
    from cardinet.cli.options import about_pictures, network_and_data, read_model
    from cardinet.cli.progress import Bar
    from cardinet.evaluate.matching import check_passes
    from cardinet.evaluate.opening import open_pictures, run_of
    from cardinet.runs.answer_table import check_table
    from cardinet.runs.environment import device_of

    findings, place = Findings(), "cpu"
    make: Callable[[Source], Model] | None = None
    classifier: Model | None = None
    with findings:
        place = device_of(device)
    with findings:
        if out is not None:
            check_table(out)
    with findings:
        given = _statistics(mean, std)
    about_network: dict[str, Any] = {}
    about_data = settings
    with findings:
        if weights is not None:
            about_network, about_data = network_and_data(settings)
    with findings:
        if weights is None:
            classifier = read_model(model, place, compare=compare)
            check_passes(classifier, passes)
        else:
            make = _maker(model, weights, about_network, place, compare=compare)
    with findings, Bar("checking pictures") as bar:
        about = about_pictures(about_data, on_bad_image)
        opened = open_pictures(data, about, run=run_of(model), model=classifier, split=split, progress=bar)
        if opened is None:
            raise RequestError("Name the pictures to evaluate on with --data; only a run folder knows its own.")
    findings.raise_if_any()
    assert opened is not None
    if classifier is None:
        assert make is not None
        classifier = make(opened.source)
        check_passes(classifier, passes)
    return place, opened, _changed(classifier, given)


def _print(result: Evaluation, model: Model) -> None:
    """The error, the scores of the classes, and what was done to the pictures, as that differs most often between
    libraries.
    """
    from cardinet.cli.score_table import score_table
    from cardinet.data.splitting import WHOLE

    split = "" if result.split == WHOLE else f"{result.split} "
    show(
        f"{split}error {100 * result.error:.2f} %: {result.wrong:,} of {result.count:,} pictures wrong, "
        "each counted once"
    )
    if result.top5_wrong is not None:
        show(f"top-5 error {100 * result.top5_wrong / result.count:.2f} %: {result.top5_wrong:,} pictures")
    show("", *score_table(result, model.classes))
    p = model.preprocessing
    resize = "as it is" if p.resize is None else f"shorter side {p.resize} ({p.interpolation}, antialias {p.antialias})"
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (p.mean, p.std))
    say(f"loss {result.loss:.4f}; input {resize}, size {p.crop}, mean {mean}, std {std}; float32.")


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


def _maker(
    model: str, weights: str, delta: Mapping[str, Any], device: str, *, compare: bool
) -> Callable[[Source], Model]:
    """A named network with weights, read and checked as far as that goes without the pictures."""
    from cardinet.base.errors import Findings, RequestError
    from cardinet.evaluate.opening import model_path
    from cardinet.networks.registry import find
    from cardinet.weights.source import read_weights

    findings = Findings()
    with findings:
        if model_path(model) is not None:
            raise RequestError(f"--weights is for a network by its name; {model} has its own parameters.")
        row = find(model)
        row.spec.but(**delta)
    with findings:
        found = read_weights(weights, model, compare)
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
