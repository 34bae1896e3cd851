"""Checks that a model and the pictures of a source fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.merge import Drawn
from cardinet.data.labelling import ONE
from cardinet.data.source import Source
from cardinet.data.splitting import WHOLE
from cardinet.runs.model_file import Model


def check_classes(model: Model, source: Source) -> None:
    """Raise RequestError if the source does not have the model's classes in the same order, and as many labels."""
    check_labelling(model, source)
    if model.classes == source.classes:
        return
    unknown = [name for name in source.classes if name not in model.classes]
    what = f"it does not know {first_names(unknown)}" if unknown else "their number or order differs"
    raise RequestError(
        f"The model has the classes {first_names(model.classes)}, but {source.text} has {first_names(source.classes)}: "
        f"{what}. Give pictures of the same classes."
    )


def check_labelling(model: Model, source: Source) -> None:
    """Raise RequestError if the pictures have several labels and the model one, or the other way round."""
    if model.labelling is source.labelling:
        return
    if source.labelling is ONE:
        raise RequestError(
            f"The model gives several labels, and {source.text} has one label for each picture; say how several are "
            "written: --set data.labels=list, columns or marks."
        )
    raise RequestError(
        f"The model gives one label, and {source.text} has several for each picture; give pictures with one label each."
    )


def relabel(source: Source, classes: tuple[str, ...], split: str) -> tuple[Source, tuple[str, ...]]:
    """The source with labels as indices into `classes`, and the classes without a picture in a split.

    Raises RequestError, with the nearest names, if its pictures have classes that are not in `classes`.
    """
    counts = {name: source.labelling.counts(part.labels, len(source.classes)) for name, part in source.splits.items()}
    have = sum(counts.values(), np.zeros(len(source.classes), np.int64))
    unknown = [name for name, count in zip(source.classes, have, strict=True) if count and name not in classes]
    if unknown:
        raise RequestError(_unknown_classes(source, unknown, classes))
    if source.classes != classes:
        place = {name: i for i, name in enumerate(classes)}
        table = np.array([place.get(name, -1) for name in source.classes], dtype=np.int64)
        new = source.labelling.renumbered
        splits = {
            name: replace(part, labels=new(part.labels, table, len(classes))) for name, part in source.splits.items()
        }
        source = replace(source, classes=classes, splits=splits)
    measured = source.labelling.counts(source.splits[split].labels, len(classes))
    return source, tuple(name for name, count in zip(classes, measured, strict=True) if not count)


def _unknown_classes(source: Source, unknown: Sequence[str], classes: Sequence[str]) -> str:
    """The message about classes that a model does not know."""
    text = f"The model has classes {first_names(classes)}, and it does not know {first_names(unknown)} of {source.text}"
    if all(name.isdecimal() for name in unknown):
        return f"{text}: these are numbers; write the class names instead."
    return f"{text} ({nearest(unknown[0], classes)}). Give pictures of the model's classes, with the same names."


def check_passes(model: Model, passes: int) -> None:
    """Raise RequestError for several passes of a network without random merges."""
    several = isinstance(passes, int) and passes > 1  # other checks refuse other types
    if several and model.labelling is not ONE:
        raise RequestError(f"passes = {passes}: probabilities of several labels are not averaged over passes; give 1.")
    if several and not any(isinstance(module, Drawn) for module in model.network.modules()):
        raise RequestError(
            f"passes = {passes}: this network has no random layers for that, so all passes would be equal; give 1."
        )


def choose_split(source: Source, asked: str | None) -> str:
    """The split to evaluate: the requested one, else all pictures, test, validation or train, the first that exists.

    Raises RequestError for an unknown split.
    """
    if asked is None:
        return next(name for name in (WHOLE, "test", "validation", "train") if name in source.splits)
    if not isinstance(asked, str) or asked not in source.splits:
        raise RequestError(f'{source.text} has no split "{asked}"; it has {", ".join(source.splits)}.')
    return asked


def first_names(names: Sequence[str]) -> str:
    """The first names, and the number of all."""
    return ", ".join(names[:5]) + (f", ... ({len(names):,})" if len(names) > 5 else "")
