"""The pictures on which a model is measured: chosen from a source or a run, with labels of the model's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import validate
from cardinet.data.admission import admitted
from cardinet.data.check import Progress
from cardinet.data.data_settings import DIVIDING, DataSettings
from cardinet.data.loose_pictures import loose_source
from cardinet.data.source import Source, Split, open_source, settings_for
from cardinet.data.source_listing import Listing
from cardinet.data.splitting import WHOLE, pictures_of
from cardinet.evaluate.matching import check_labelling, choose_split, first_names, relabel
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model
from cardinet.runs.run_pictures import open_pictures as pictures_of_run

HOW_READ = ("on_bad_image", "pixel_limit")
"""Settings that do not change the choice of a run's pictures."""


@dataclass(frozen=True, eq=False)
class OpenedPictures:
    """The pictures for a model: a source whose labels are indices into the model's classes, and its measured split.

    `notes` are sentences for the user: the choice of pictures, those left out, and the classes without pictures.
    """

    source: Source
    split: str
    notes: tuple[str, ...]

    @property
    def pictures(self) -> Split:
        """The pictures that are measured."""
        return self.source.splits[self.split]


def open_pictures(
    data: str | None,
    settings: Mapping[str, Any],
    *,
    run: RunFolder | None = None,
    model: Model | None = None,
    split: str | None = None,
    also: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> OpenedPictures | None:
    """The pictures of `data`, else those of a `run`; None if neither is given.

    A source without splits is measured as a whole. If the `model` was trained on it, only the pictures that the
    training held out are measured. If a `split` or a division is requested, the source is divided as in a training.
    Labels are matched to the model's classes by name. The pictures of the measured split and of the splits in `also`
    are checked first: bad ones are refused or left out (`on_bad_image`). Raises RequestError or WorkError with all
    faults.
    """
    if data is None and run is None:
        if settings:
            raise RequestError("--set changes how pictures are read; name the pictures too.")
        return None
    if data is None:
        assert run is not None
        source, chosen, notes, asked = _pictures_of_run(run, settings, split)
    else:
        asked = settings_for(data, settings)
        trained = _trained(model)
        source = open_source(data, asked, lambda listing: _division(listing, asked, settings, trained, split))
        chosen = choose_split(source, split)
        notes = _notes_on(source, chosen, trained, divided=_divides(settings))
    if source.small:  # already decoded; a network without statistics takes those of the training pictures
        also = (*also, "train")
    source = replace(source, splits={key: source.splits[key] for key in source.splits if key in (chosen, *also)})
    source, left_out = _usable(source, chosen, asked, progress)
    notes += left_out
    if model is not None:
        check_labelling(model, source)
        source, empty = relabel(source, model.classes, chosen)
        if empty:
            notes.append(f"There are no pictures of {first_names(empty)}, so these classes are not measured.")
    return OpenedPictures(source, chosen, tuple(notes))


def open_loose(
    texts: Sequence[str], settings: Mapping[str, Any], split: str | None = None, progress: Progress | None = None
) -> OpenedPictures:
    """Pictures without classes, as the one split "all" (`loose_pictures`).

    Bad ones are refused or left out (`on_bad_image`). Raises RequestError or WorkError with all faults.
    """
    findings, asked = Findings(), DataSettings()
    with findings:
        if others := [key for key in settings if key not in HOW_READ]:
            raise RequestError(
                f"{', '.join(others)}: pictures without classes are all used; --set can change only "
                f"{' and '.join(HOW_READ)}."
            )
        asked = validate(DataSettings, settings, "data.")
    with findings:
        source = loose_source(texts, asked.pixel_limit)
        chosen = choose_split(source, split)
    findings.raise_if_any()
    source, left_out = _usable(source, chosen, asked, progress)
    return OpenedPictures(source, chosen, tuple(left_out))


def _usable(source: Source, chosen: str, asked: DataSettings, progress: Progress | None) -> tuple[Source, list[str]]:
    """The source with only its usable pictures, and a sentence if pictures of the chosen split were left out."""
    before = len(source.splits[chosen])
    source, _ = admitted(source, asked, progress)
    if chosen not in source.splits:
        raise RequestError(f"{pictures_of(chosen, before)} of {source.text}: none can be used.")
    if left_out := before - len(source.splits[chosen]):
        return source, [
            f"{left_out:,} of {amount(before, 'picture')} cannot be used and were left out (on_bad_image = skip)."
        ]
    return source, []


def _pictures_of_run(
    run: RunFolder, settings: Mapping[str, Any], split: str | None
) -> tuple[Source, str, list[str], DataSettings]:
    """The pictures of a run, chosen as in that run; `settings` may change only the treatment of bad ones."""
    if others := [key for key in settings if key not in HOW_READ]:
        raise RequestError(
            f"{', '.join(others)}: the pictures of a run are read as in that run; --set can change only "
            f"{' and '.join(HOW_READ)}. Name the pictures to read them in another way."
        )
    record = run.record()
    source = pictures_of_run(record, settings)
    chosen = choose_split(source, split)
    skipped = sum(identity.startswith(f"{chosen}:") for identity in record.skipped)
    notes = [f"{skipped:,} {chosen} pictures are left out: the training skipped them, because they cannot be used."]
    asked = validate(DataSettings, {**record.recipe.get("data", {}), **settings}, "data.")
    return source, chosen, notes if skipped else [], asked


def _trained(model: Model | None) -> Mapping[str, Any]:
    """The facts about the training pictures in a model file; empty for a foreign file."""
    found = model.training.get("pictures") if model is not None else None
    return found if isinstance(found, Mapping) else {}


def was_trained_on(model: Model, source: Source) -> bool:
    """Whether a model was trained on pictures of this source, by its fingerprint."""
    return source.fingerprint == _trained(model).get("fingerprint")


def _divides(settings: Mapping[str, Any]) -> bool:
    return any(key in settings for key in DIVIDING)


def _division(
    listing: Listing, asked: DataSettings, settings: Mapping[str, Any], trained: Mapping[str, Any], split: str | None
) -> DataSettings | None:
    """The settings that divide a source; None to measure all of one without splits.

    The data of a training is divided as in that training, for any requested split.
    """
    if split == WHOLE and listing.unsplit:
        return None
    if _divides(settings):
        return asked
    if listing.fingerprint == trained.get("fingerprint") and (listing.unsplit or trained.get("folds") is not None):
        return validate(DataSettings, {key: trained.get(key) for key in DIVIDING if trained.get(key) is not None})
    return asked if split is not None or not listing.unsplit else None


def _notes_on(source: Source, chosen: str, trained: Mapping[str, Any], *, divided: bool) -> list[str]:
    """Sentences about a source: the parts that are not used, and the pictures that are measured.

    `divided` says that the user requested a division.
    """
    said = [note.sentence() for note in source.notes]
    count, own = len(source.splits[chosen]), source.fingerprint == trained.get("fingerprint")
    if chosen == WHOLE:
        seen = " The model was trained on a part of them." if own else ""
        said.append(
            f"{source.text} is not divided into splits, so all of it is measured ({amount(count, 'picture')}).{seen}"
        )
    elif own and not divided and chosen == "validation" and trained.get("folds") is not None:
        said.append(
            f"The model was trained on the other folds of {source.text}: the {amount(count, 'picture')} of its fold "
            f"{trained.get('fold')} of {trained['folds']} are measured."
        )
    elif source.unsplit and own and divided:
        said.append(
            f"The model was trained on {source.text}, which is now divided in another way, as requested: training "
            f"pictures may be among the {count:,} measured ones."
        )
    elif source.unsplit and own and chosen == "train":
        said.append(f"The model was trained on {source.text}: the {count} measured pictures are its training pictures.")
    elif source.unsplit and own:
        said.append(
            f"The model was trained on a part of {source.text}: the {count} {chosen} pictures that its training held "
            "out are measured."
        )
    elif source.unsplit:
        said.append(f"{source.text} is divided as for a training: its {count} {chosen} pictures are measured.")
    return said
