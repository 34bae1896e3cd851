"""Open a model and its pictures, with all faults at once. Every job on a trained model opens it here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.base.settings import parse_group
from cardinet.data.check import Progress
from cardinet.data.source import Source
from cardinet.evaluate.matching import check_classes, choose_split
from cardinet.evaluate.pictures import OpenedPictures, open_loose, open_pictures
from cardinet.networks.registry import is_known_name
from cardinet.runs.environment import device_of
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model
from cardinet.runs.temperature import temperature_note
from cardinet.runtimes.formats import format_of
from cardinet.weights.checksums import no_checksums_note
from cardinet.weights.weight_source import local_file

Make = Callable[[Source | None], tuple[Model, tuple[str, ...]]]
"""A function that makes a classifier for the classes of a source, if it has some, with sentences on its weights."""


@dataclass(frozen=True, kw_only=True)
class AskedModel:
    """The requested model: a classifier, a run folder, a model file or hub:REPO.

    It is put on `device`, which may be "auto". With `compare` its tensors are compared with their checksums. A named
    network gets the classes of the pictures: `prepare(device)` reads and checks its weights, and returns a function
    that makes it. `threshold` replaces the thresholds of a model that gives several labels.
    """

    model: Model | str | os.PathLike[str]
    device: str = "cpu"
    compare: bool = True
    prepare: Callable[[str], Make] | None = None
    threshold: float | None = None

    def at_threshold(self, model: Model) -> Model:
        """The model with the requested threshold. Raises RequestError as `Model.at_threshold`."""
        return model if self.threshold is None else model.at_threshold(self.threshold)


@dataclass(frozen=True, kw_only=True)
class AskedPictures:
    """The requested pictures: those of `data`, or `loose` ones without classes, else those of the model's run.

    `settings` and `words` ("limit=30") say how they are read. `split` is the measured split, `also` names other needed
    splits. With `any_classes` the labels are not checked. `missing` is the message if there are no pictures; if it is
    empty, they may be missing. With `optional` the pictures of a run may also fail to open, if nothing is said of them.
    """

    data: Source | str | None = None
    loose: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    split: str | None = None
    also: tuple[str, ...] = ()
    any_classes: bool = False
    missing: str = ""
    optional: bool = False

    @property
    def said(self) -> bool:
        """Whether the user has said something of the pictures."""
        return self.data is not None or self.split is not None or bool(self.loose or self.words)


@dataclass(frozen=True)
class OpenedSoFar:
    """The parts that could be opened; the others are None. Further checks use them.

    `looked` says that missing pictures do not exist, rather than failed to open.
    """

    model: Model | None
    pictures: OpenedPictures | None
    looked: bool


@dataclass(frozen=True, eq=False)
class Opened:
    """A model and the requested pictures. Pictures may be None; `refusal` is then the reason, if known.

    `of_model` are sentences for the user about the model.
    """

    model: Model
    pictures: OpenedPictures | None
    of_model: tuple[str, ...] = ()
    refusal: CardinetError | None = None

    @property
    def measured(self) -> OpenedPictures:
        """The pictures, for a job that needs them (`AskedPictures.missing`)."""
        assert self.pictures is not None
        return self.pictures

    @property
    def source(self) -> Source | None:
        """The source of the pictures."""
        return None if self.pictures is None else self.pictures.source

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user about the model and its pictures."""
        return (*self.of_model, *(() if self.pictures is None else self.pictures.notes))


def opened(
    asked: AskedModel,
    wanted: AskedPictures | None = None,
    *,
    check: Callable[[], None] = lambda: None,
    check_model: Callable[[Model], None] = lambda model: None,
    check_all: Callable[[OpenedSoFar], None] = lambda parts: None,
    progress: Progress | None = None,
) -> Opened:
    """Open a model and the requested pictures.

    `check` checks the rest of the request, such as an output path. `check_model` checks the model, if it could be
    opened; `check_all` checks all parts together. Raises RequestError or WorkError once, with all faults of the opening
    and of these checks.
    """
    found = Findings()
    device, model, make, pictures, refusal = "cpu", None, None, None, None
    sentences: tuple[str, ...] = ()
    looked = wanted is None
    with found:
        device = device_of(asked.device)
    with found:
        check()
    with found:
        if asked.prepare is not None:
            make = asked.prepare(device)
        else:
            model = model_of(asked.model, device, compare=asked.compare)
            check_model(model)
            model = asked.at_threshold(model)
    with found:
        if wanted is not None:
            try:
                pictures = _pictures(asked, wanted, model, progress)
            except CardinetError as error:
                if not wanted.optional or wanted.said:
                    raise
                refusal = error
            looked = True
            if pictures is None and wanted.missing:
                raise RequestError(wanted.missing)
    with found:
        check_all(OpenedSoFar(model, pictures, looked))
    found.raise_if_any()
    if make is not None:
        model, sentences = make(None if pictures is None else pictures.source)
        check_model(model)
        model = asked.at_threshold(model)
    assert model is not None
    if not isinstance(asked.model, Model) and make is None and model.checksums == "absent":
        sentences = (no_checksums_note(str(asked.model)),)
    if (note := temperature_note(model)) is not None:
        sentences = (*sentences, note)
    return Opened(model, pictures, sentences, refusal)


def _pictures(
    asked: AskedModel, wanted: AskedPictures, model: Model | None, progress: Progress | None
) -> OpenedPictures | None:
    """The pictures for a model. The model is None if it could not be opened or is not made yet."""
    if isinstance(wanted.data, Source):
        if wanted.words:
            raise RequestError(
                f"{', '.join(wanted.words)}: an opened source is read as it was opened; open it with these settings, "
                "or give its text."
            )
        if model is not None and not wanted.any_classes:
            check_classes(model, wanted.data)
        return OpenedPictures(wanted.data, choose_split(wanted.data, wanted.split), ())
    typed, run = parse_group(wanted.words, "data"), run_of(asked.model)
    if wanted.loose:
        return open_loose(wanted.loose, {**wanted.settings, **typed}, wanted.split, progress)
    if wanted.data is None and run is None:
        return open_pictures(None, typed)
    return open_pictures(
        wanted.data,
        {**wanted.settings, **typed},
        run=run,
        model=None if wanted.any_classes else model,
        split=wanted.split,
        also=wanted.also,
        progress=progress,
    )


def as_words(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings that a Python call gives as arguments (`limit=30`), as the words of a request.

    Raises RequestError for a value that cannot be written, such as a model.
    """
    findings, words = Findings(), list[str]()
    for key, value in settings.items():
        with findings:
            words.append(f"{key}={_written(key, value)}")
    findings.raise_if_any()
    return tuple(words)


def _written(key: str, value: object) -> object:
    if isinstance(value, tuple | list):
        return [*value]
    if value is None or isinstance(value, str | os.PathLike | Number):
        return value
    raise RequestError(f"{key} is a {type(value).__name__}; give text, a number, a list or a path.")


def model_path(model: str) -> Path | None:
    """The model file of MODEL: a file, that of a run folder or of a Hub repository; None for the name of a network.

    Raises RequestError for a folder without a model file, and for an exported file.
    """
    if model.startswith("hub:"):
        return local_file(model)
    path = Path(model)
    if (exported := format_of(path)) is not None and path.is_file():
        raise RequestError(
            f"{path} is an exported file ({exported.name}), which other programs run. Give the model that it was made "
            "from (a run folder or a .safetensors file), or run it in Python: `from cardinet.export.runner import "
            f"open_exported`, then `open_exported(Path({str(path)!r})).logits(pixels)`."
        )
    if not path.is_dir():
        return path if path.suffix or path.exists() or "/" in model else None
    file = path / "model.safetensors"
    if file.exists():
        return file
    if not (path / "run.toml").exists() and is_known_name(model):
        return None  # a folder that has the name of a network by chance
    if (path / "run.toml").exists():
        raise RequestError(
            f"{path} has no model yet: its run stopped before the first evaluation. Continue it first "
            f"(cardinet train --resume {shlex.quote(str(path))})."
        )
    raise RequestError(f"{path} is not a run folder: it has no model.safetensors.")


def read_model(model: str, device: str = "cpu", *, compare: bool = True) -> Model:
    """Read the classifier in a run folder or model file, on a device; `compare` checks its checksums (`load_model`).

    Raises RequestError for anything else, and WorkError for a damaged file.
    """
    path = model_path(model)
    if path is None:
        if is_known_name(model):
            raise RequestError(
                f'"{model}" is the name of a network, without parameters; give a run folder or a model file '
                "(`cardinet eval` takes it with --weights FILE)."
            )
        raise RequestError(f'"{model}" is not there; give a run folder or a model file.')
    return load_model(path, device, compare=compare)


def model_of(model: Model | str | os.PathLike[str], device: str = "cpu", *, compare: bool = True) -> Model:
    """A classifier unchanged, or the one in a run folder or model file, on a device. Raises as `read_model`."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike):
        return read_model(os.fspath(model), device, compare=compare)
    raise RequestError(
        f"{type(model).__name__} is not a model; give the result of cardinet.load(FILE), or a run folder."
    )


def run_of(model: Model | str | os.PathLike[str]) -> RunFolder | None:
    """The run folder that MODEL names, if it is one. A run knows its pictures."""
    if isinstance(model, str | os.PathLike) and (Path(model) / "run.toml").exists():
        return RunFolder(Path(model))
    return None
