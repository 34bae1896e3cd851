"""The one opener: the model that a question is about, and the pictures on which it is asked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.base.settings import validate
from cardinet.data.admission import admitted
from cardinet.data.check import Progress
from cardinet.data.listing import Listing
from cardinet.data.settings import DataSettings
from cardinet.data.source import Source, Split, open_source
from cardinet.data.splitting import WHOLE
from cardinet.evaluate.matching import by_name, choose_split, some
from cardinet.networks.registry import known
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model
from cardinet.runs.pictures import open_pictures as pictures_of_run
from cardinet.weights.source import local

HOW_READ = ("on_bad_image", "pixel_limit")
"""Settings that do not change which pictures a run has."""

DIVIDING = ("validation", "test", "split_seed")
"""Settings with which a user asks for a division of his own."""


@dataclass(frozen=True, eq=False)
class Opened:
    """The pictures for a model: a source whose labels are places among the model's classes, and its measured split.

    `notes` are sentences for the user: which pictures these are, what was left out, and which classes have none.
    """

    source: Source
    split: str
    notes: tuple[str, ...]

    @property
    def pictures(self) -> Split:
        """The pictures that are measured."""
        return self.source.splits[self.split]


def model_path(model: str) -> Path | None:
    """The model file that MODEL means: a file, a run folder's, or a Hub repository's; None when it is a network's name.

    Raises RequestError for a folder without a model file.
    """
    if model.startswith("hub:"):
        return local(model)
    path = Path(model)
    if not path.is_dir():
        return path if path.suffix or path.exists() or "/" in model else None
    file = path / "model.safetensors"
    if file.exists():
        return file
    if not (path / "run.toml").exists() and known(model):
        return None  # a folder that happens to be called as a network
    if (path / "run.toml").exists():
        raise RequestError(
            f"{path} has no model yet, as its run ended before the first evaluation; go on with it first "
            f"(cardinet train --resume {shlex.quote(str(path))})."
        )
    raise RequestError(f"{path} is no run folder: there is no model.safetensors in it.")


def read_model(model: str, device: str = "cpu", *, compare: bool = True) -> Model:
    """The classifier in a run folder or model file, on a device; with `compare`, as it was written (`load_model`).

    Raises RequestError for anything else, WorkError for a damaged file.
    """
    path = model_path(model)
    if path is None:
        if known(model):
            raise RequestError(
                f'"{model}" is a network\'s name and has no parameters; give a run folder or a model file '
                "(`cardinet eval` takes it with --weights FILE)."
            )
        raise RequestError(f'"{model}" is not there; give a run folder or a model file.')
    return load_model(path, device, compare=compare)


def model_of(model: Model | str | os.PathLike[str]) -> Model:
    """A classifier as it is, or the one in a run folder or model file, on the CPU. Raises as `read_model`."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike):
        return read_model(os.fspath(model))
    raise RequestError(f"{type(model).__name__} is no model; give what cardinet.load(FILE) gives, or a run folder.")


def run_of(model: str) -> RunFolder | None:
    """The run that MODEL is, if it is one: it knows its pictures."""
    return RunFolder(Path(model)) if (Path(model) / "run.toml").exists() else None


def open_pictures(
    data: str | None,
    settings: Mapping[str, Any],
    *,
    run: RunFolder | None = None,
    model: Model | None = None,
    split: str | None = None,
    also: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Opened | None:
    """The pictures of `data`, else those of a `run`; None where there are neither.

    A source without splits is measured as a whole. Where the `model` was trained on it, the part that its training held
    out is; where a `split` or a division is asked for, it is divided as in a training. Labels are brought to the
    model's classes by name. The pictures of the measured split, and of those that are `also` needed, are checked first:
    bad ones are refused or left out, as `on_bad_image` says. Raises RequestError or WorkError with what does not fit.
    """
    if data is None and run is None:
        if settings:
            raise RequestError("--set changes how the pictures of --data are read; name them with --data.")
        return None
    if data is None:
        assert run is not None
        source, chosen, notes, asked = _of_run(run, settings, split)
    else:
        asked = validate(DataSettings, settings)
        trained = _trained(model)
        source = open_source(data, asked, lambda listing: _division(listing, asked, settings, trained, split))
        chosen = choose_split(source, split)
        notes = _about(source, chosen, trained, divided=_divides(settings))
    if source.small:  # decoded already, and a network that knows no statistics takes those of its training pictures
        also = (*also, "train")
    source = replace(source, splits={key: source.splits[key] for key in source.splits if key in (chosen, *also)})
    before = len(source.splits[chosen])
    source, _ = admitted(source, asked, progress)
    if left_out := before - len(source.splits.get(chosen, ())):
        notes.append(f"{left_out:,} of {before:,} pictures cannot be used and are left out (on_bad_image = skip).")
    if chosen not in source.splits:
        raise RequestError(f"None of the {before:,} {chosen} pictures of {source.text} can be used.")
    if model is not None:
        source, empty = by_name(source, model.classes, chosen)
        if empty:
            notes.append(f"There are no pictures of {some(empty)}, so these classes are not measured.")
    return Opened(source, chosen, tuple(notes))


def opened_source(data: str, model: Model) -> Source:
    """The pictures of `data` for a model, with all splits that it has. Raises as `open_pictures`."""
    opened = open_pictures(data, {}, model=model, also=("train", "validation", "test"))
    assert opened is not None
    return opened.source


def _of_run(
    run: RunFolder, settings: Mapping[str, Any], split: str | None
) -> tuple[Source, str, list[str], DataSettings]:
    """The pictures of a run as they were when it began, but for how bad ones are met."""
    if others := [key for key in settings if key not in HOW_READ]:
        raise RequestError(
            f"{', '.join(others)}: a run's own are read as they were; --set changes only "
            f"{' and '.join(HOW_READ)} of them. Name other pictures with --data."
        )
    record = run.record()
    source = pictures_of_run(record, settings)
    chosen = choose_split(source, split)
    skipped = sum(identity.startswith(f"{chosen}:") for identity in record.skipped)
    notes = [f"{skipped:,} {chosen} pictures are left out: the training skipped them, as they cannot be used."]
    asked = validate(DataSettings, {**record.recipe.get("data", {}), **settings}, "data.")
    return source, chosen, notes if skipped else [], asked


def _trained(model: Model | None) -> Mapping[str, Any]:
    """What a model file says of the pictures of its training; nothing of a file by another hand."""
    found = model.training.get("pictures") if model is not None else None
    return found if isinstance(found, Mapping) else {}


def _divides(settings: Mapping[str, Any]) -> bool:
    return any(key in settings for key in DIVIDING)


def _division(
    listing: Listing, asked: DataSettings, settings: Mapping[str, Any], trained: Mapping[str, Any], split: str | None
) -> DataSettings | None:
    """The settings that divide a source without splits, None where all of it is measured.

    The data of a training is divided as that was, whichever split is asked for.
    """
    if split == WHOLE:
        return None
    if _divides(settings):
        return asked
    if listing.fingerprint == trained.get("fingerprint"):
        return validate(DataSettings, {key: trained.get(key) for key in DIVIDING if trained.get(key) is not None})
    return asked if split is not None else None


def _about(source: Source, chosen: str, trained: Mapping[str, Any], *, divided: bool) -> list[str]:
    """Sentences on a source: what in it is not used, and which of its pictures are measured.

    `divided` says that the user asked for a division of his own.
    """
    said = [note.sentence() for note in source.notes]
    count, own = f"{len(source.splits[chosen]):,}", source.fingerprint == trained.get("fingerprint")
    if chosen == WHOLE:
        seen = " The model was trained on a part of them." if own else ""
        said.append(f"{source.text} is not divided into splits, so all its {count} pictures are measured.{seen}")
    elif source.unsplit and own and divided:
        said.append(
            f"The model was trained on {source.text}, which is divided otherwise here as asked: its training pictures "
            f"can be among the {count} that are measured."
        )
    elif source.unsplit and own and chosen == "train":
        said.append(f"The model was trained on {source.text}: measured are {count} pictures that it learnt from.")
    elif source.unsplit and own:
        said.append(
            f"The model was trained on a part of {source.text}: measured are the {count} {chosen} pictures that its "
            "training held out."
        )
    elif source.unsplit:
        said.append(f"{source.text} is divided as for a training: measured are its {count} {chosen} pictures.")
    return said
