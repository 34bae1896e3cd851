"""The one opener: the model that a question is about and the pictures on which it is asked, with all that is wrong."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.base.settings import parse_group
from cardinet.data.check import Progress
from cardinet.data.source import Source
from cardinet.evaluate.matching import check_classes, choose_split
from cardinet.evaluate.pictures import OpenedPictures, open_pictures
from cardinet.networks.registry import is_known_name
from cardinet.runs.environment import device_of
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model
from cardinet.weights.checksums import no_checksums_note
from cardinet.weights.weight_source import local_file

Make = Callable[[Source], tuple[Model, tuple[str, ...]]]
"""Makes the classifier of a source's classes, and says in sentences what became of its weights."""


@dataclass(frozen=True, kw_only=True)
class AskedModel:
    """The model that a question is about: a classifier, a run folder, a model file or hub:REPO.

    It is put on `device`, "auto" too; with `compare` its tensors are compared with their checksums. A network by its
    name has the classes of the pictures: `prepare(device)` reads and checks its weights, and gives what makes it.
    """

    model: Model | str | os.PathLike[str]
    device: str = "cpu"
    compare: bool = True
    prepare: Callable[[str], Make] | None = None


@dataclass(frozen=True, kw_only=True)
class AskedPictures:
    """The pictures that a question wants: those of `data`, else those of the run that the model is.

    `settings`, and `words` as a user writes them ("limit=30"), say how they are read; `split` is the one that is
    measured, `also` names further ones that are needed. `any_classes`: the labels do not matter. `missing` is what is
    said where there are none, and empty where they may be missing. With `optional` a run's own that cannot be opened
    are missing too.
    """

    data: Source | str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    split: str | None = None
    also: tuple[str, ...] = ()
    any_classes: bool = False
    missing: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Parts:
    """What could be opened, for checks that go on where something could not: that is None.

    `looked` says that pictures which are None are not there, and not refused.
    """

    model: Model | None
    pictures: OpenedPictures | None
    looked: bool


@dataclass(frozen=True, eq=False)
class Opened:
    """A model, and the pictures that were asked for; None where there are none, with the reason if it is known.

    `of_model` are sentences for the user on the model.
    """

    model: Model
    pictures: OpenedPictures | None
    of_model: tuple[str, ...] = ()
    refusal: CardinetError | None = None

    @property
    def measured(self) -> OpenedPictures:
        """The pictures, of a question that needs them (`AskedPictures.missing`)."""
        assert self.pictures is not None
        return self.pictures

    @property
    def source(self) -> Source | None:
        """The source of the pictures."""
        return None if self.pictures is None else self.pictures.source

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user on the model and its pictures."""
        return (*self.of_model, *(() if self.pictures is None else self.pictures.notes))


def opened(
    asked: AskedModel,
    wanted: AskedPictures | None = None,
    *,
    check: Callable[[], None] = lambda: None,
    check_model: Callable[[Model], None] = lambda model: None,
    check_all: Callable[[Parts], None] = lambda parts: None,
    progress: Progress | None = None,
) -> Opened:
    """Open a model and the pictures that are wanted.

    `check` looks at what else was asked, such as a place for output; `check_model` at the model, where there is one;
    `check_all` at what all of it is together. Raises RequestError or WorkError once, with everything that any of them
    and the opening itself find.
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
    with found:
        if wanted is not None:
            try:
                pictures = _pictures(asked, wanted, model, progress)
            except CardinetError as error:
                if not wanted.optional or wanted.data is not None:
                    raise
                refusal = error
            looked = True
            if pictures is None and wanted.missing:
                raise RequestError(wanted.missing)
    with found:
        check_all(Parts(model, pictures, looked))
    found.raise_if_any()
    if make is not None:
        assert pictures is not None, "a network by its name has the classes of pictures"
        model, sentences = make(pictures.source)
        check_model(model)
    assert model is not None
    if not isinstance(asked.model, Model) and make is None and model.checksums == "absent":
        sentences = (no_checksums_note(str(asked.model)),)
    return Opened(model, pictures, sentences, refusal)


def _pictures(
    asked: AskedModel, wanted: AskedPictures, model: Model | None, progress: Progress | None
) -> OpenedPictures | None:
    """The pictures for a model, which is None where it could not be opened, or is yet to be made."""
    if isinstance(wanted.data, Source):
        if model is not None and not wanted.any_classes:
            check_classes(model, wanted.data)
        return OpenedPictures(wanted.data, choose_split(wanted.data, wanted.split), ())
    typed, run = parse_group(wanted.words, "data"), run_of(asked.model)
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


def model_path(model: str) -> Path | None:
    """The model file that MODEL means: a file, a run folder's, or a Hub repository's; None when it is a network's name.

    Raises RequestError for a folder without a model file.
    """
    if model.startswith("hub:"):
        return local_file(model)
    path = Path(model)
    if not path.is_dir():
        return path if path.suffix or path.exists() or "/" in model else None
    file = path / "model.safetensors"
    if file.exists():
        return file
    if not (path / "run.toml").exists() and is_known_name(model):
        return None  # a folder that happens to be called as a network
    if (path / "run.toml").exists():
        raise RequestError(
            f"{path} has no model yet, as its run ended before the first evaluation; go on with it first "
            f"(cardinet train --resume {shlex.quote(str(path))})."
        )
    raise RequestError(f"{path} is not a run folder: there is no model.safetensors in it.")


def read_model(model: str, device: str = "cpu", *, compare: bool = True) -> Model:
    """The classifier in a run folder or model file, on a device; with `compare`, as it was written (`load_model`).

    Raises RequestError for anything else, WorkError for a damaged file.
    """
    path = model_path(model)
    if path is None:
        if is_known_name(model):
            raise RequestError(
                f'"{model}" is a network\'s name and has no parameters; give a run folder or a model file '
                "(`cardinet eval` takes it with --weights FILE)."
            )
        raise RequestError(f'"{model}" is not there; give a run folder or a model file.')
    return load_model(path, device, compare=compare)


def model_of(model: Model | str | os.PathLike[str], device: str = "cpu", *, compare: bool = True) -> Model:
    """A classifier as it is, or the one in a run folder or model file, on a device. Raises as `read_model`."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike):
        return read_model(os.fspath(model), device, compare=compare)
    raise RequestError(f"{type(model).__name__} is not a model; give what cardinet.load(FILE) gives, or a run folder.")


def run_of(model: Model | str | os.PathLike[str]) -> RunFolder | None:
    """The run that MODEL is, if it is one: it knows its pictures."""
    if isinstance(model, str | os.PathLike) and (Path(model) / "run.toml").exists():
        return RunFolder(Path(model))
    return None
