"""`cardinet eval`: the exact error of a model on a source."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cardinet.cli.options import Device, Json, Set, Workers
from cardinet.cli.talk import print_json, say

if TYPE_CHECKING:
    from torch import Tensor

    from cardinet.data.source import Source
    from cardinet.evaluate.classification import Evaluation
    from cardinet.networks.family import Named
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
        Path | None, typer.Option("--weights", metavar="FILE", help="The parameters of a named network.")
    ] = None,
    mean: Annotated[str | None, typer.Option("--mean", metavar="X,X,X", help="Instead of the model's own.")] = None,
    std: Annotated[str | None, typer.Option("--std", metavar="X,X,X", help="Instead of the model's own.")] = None,
    crops: Annotated[
        Literal[1, 10], typer.Option("--crops", metavar="1|10", help="10: average corners, centre and mirror images.")
    ] = 1,
    settings: Set = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, metavar="N")] = 128,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Evaluate on every picture of a split, each counted once."""
    from cardinet.base.errors import Findings
    from cardinet.cli.progress import Bar
    from cardinet.evaluate.classification import evaluate as run
    from cardinet.runs.environment import device_of

    findings, place = Findings(), "cpu"
    with findings:
        place = device_of(device)
    with findings:
        given = _statistics(mean, std)
    with findings:
        make = _maker(model, weights, place)
    with findings:
        source = _source(model, data, settings)
    findings.raise_if_any()
    with findings:
        classifier = _changed(make(source), given)
        _check_classes(classifier, source)
    with findings:
        chosen = _split(source, split)
    findings.raise_if_any()
    with Bar("evaluating") as bar:
        result = run(
            classifier.network,
            source.splits[chosen],
            classifier.preprocessing,
            len(source.classes),
            crops=crops,
            batch_size=batch_size,
            workers=workers,
            device=place,
            progress=bar,
        )
    if as_json:
        about = classifier.preprocessing.model_dump(mode="json")
        print_json({"model": model, "data": source.text, **result.summary(), "crops": crops, "preprocessing": about})
    else:
        _print(result, classifier)


def _print(result: Evaluation, model: Model) -> None:
    """The error, and what was done to the pictures, as that differs most often between libraries."""
    print(
        f"{result.split} error {100 * result.error:.2f} %: {result.wrong:,} of {result.count:,} pictures wrong, "
        "each counted once"
    )
    p = model.preprocessing
    resize = "as it is" if p.resize is None else f"shorter side {p.resize} ({p.interpolation}, antialias {p.antialias})"
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (p.mean, p.std))
    say(f"loss {result.loss:.4f}; input {resize}, crop {p.crop}, mean {mean}, std {std}; float32.")


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
    from cardinet.cli.options import data_settings
    from cardinet.data.source import open_source
    from cardinet.runs.folder import RunFolder
    from cardinet.runs.pictures import open_pictures

    if data is not None:
        return open_source(data, data_settings(settings))
    if not (Path(model) / "run.toml").exists():
        raise RequestError("Name the pictures to evaluate on with --data; only a run folder knows its own.")
    if settings:
        raise RequestError("--set changes how the pictures of --data are read; a run's own are read as they were.")
    return open_pictures(RunFolder(Path(model)).record())


def _maker(model: str, weights: Path | None, device: str) -> Callable[[Source], Model]:
    """The model, read and checked as far as that goes without the pictures."""
    from cardinet.base.errors import Findings, RequestError
    from cardinet.cli.options import model_path, read_model
    from cardinet.networks.registry import find
    from cardinet.runs.model_file import is_model_file
    from cardinet.weights.files import read_state

    if weights is None:
        classifier = read_model(model, device)
        return lambda source: classifier
    findings = Findings()
    with findings:
        if model_path(model) is not None:
            raise RequestError(f"--weights is for a network by its name; {model} has its own parameters.")
        row = find(model)
    with findings:
        if is_model_file(weights):
            raise RequestError(
                f"{weights} is a model file, which knows its network and classes; cardinet eval {weights}."
            )
        state = read_state(weights)
    findings.raise_if_any()
    return functools.partial(_with_weights, row, state, weights, device)


def _with_weights(row: Named, state: Mapping[str, Tensor], file: Path, device: str, source: Source) -> Model:
    """A named network with parameters from a file, for the classes and pictures of a source."""
    from cardinet.base.errors import RequestError
    from cardinet.networks.builder import build
    from cardinet.runs.model_file import Model
    from cardinet.train.inputs import choose_preprocessing
    from cardinet.train.recipe import PreprocessingSettings
    from cardinet.weights.match import load_matching

    spec = row.spec.but(num_classes=len(source.classes), in_channels=source.channels)
    network = build(spec).to(device)
    match = load_matching(network, state)
    if match.reinitialised:
        raise RequestError(
            f"{file} has no classifier for the {len(source.classes)} classes of {source.text}, so there is nothing to "
            f"evaluate; train one first: cardinet train {row.id} --weights {shlex.quote(str(file))} --data ..."
        )
    for sentence in match.sentences():
        say(sentence)
    size = None if source.small else row.input_size  # the paper's, whatever the size of these pictures
    preprocessing = choose_preprocessing(PreprocessingSettings(size=size), source, source.channels)
    return Model(network.eval(), spec, source.classes, preprocessing)


def _changed(model: Model, given: Statistics) -> Model:
    """The model with another mean or deviation."""
    from cardinet.base.settings import validate
    from cardinet.data.preprocessing import Preprocessing

    document = {**model.preprocessing.model_dump(), **given}
    return dataclasses.replace(model, preprocessing=validate(Preprocessing, document))


def _check_classes(model: Model, source: Source) -> None:
    """Raise RequestError when the source's classes are not the model's, in the model's order."""
    from cardinet.base.errors import RequestError

    if model.classes == source.classes:
        return
    unknown = [name for name in source.classes if name not in model.classes]
    what = f"it does not know {_some(unknown)}" if unknown else "their number or order differs"
    raise RequestError(
        f"The model was trained on the classes {_some(model.classes)}, and {source.text} has {_some(source.classes)}: "
        f"{what}. Give pictures of the same classes."
    )


def _some(names: tuple[str, ...] | list[str]) -> str:
    """The first names, and how many there are."""
    return ", ".join(names[:5]) + (f", ... ({len(names):,})" if len(names) > 5 else "")


def _split(source: Source, asked: str | None) -> str:
    from cardinet.base.errors import RequestError

    if asked is None:
        return next(name for name in ("test", "validation", "train") if name in source.splits)
    if asked not in source.splits:
        raise RequestError(f'{source.text} has no split "{asked}"; it has {", ".join(source.splits)}.')
    return asked
