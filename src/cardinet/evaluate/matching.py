"""Whether a model and the pictures of a source belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.merge import Drawn
from cardinet.data.source import Source
from cardinet.data.splitting import WHOLE
from cardinet.runs.model_file import Model


def check_classes(model: Model, source: Source) -> None:
    """Raise RequestError when the source's classes are not the model's, in the model's order."""
    if model.classes == source.classes:
        return
    unknown = [name for name in source.classes if name not in model.classes]
    what = f"it does not know {some(unknown)}" if unknown else "their number or order differs"
    raise RequestError(
        f"The model was trained on the classes {some(model.classes)}, and {source.text} has {some(source.classes)}: "
        f"{what}. Give pictures of the same classes."
    )


def by_name(source: Source, classes: tuple[str, ...], split: str) -> tuple[Source, tuple[str, ...]]:
    """The source with its labels as places among other classes, and those of them without a picture in a split.

    Raises RequestError, with the nearest names, for classes of its pictures that are not among them.
    """
    counts = {name: np.bincount(part.labels, minlength=len(source.classes)) for name, part in source.splits.items()}
    have = sum(counts.values(), np.zeros(len(source.classes), np.int64))
    unknown = [name for name, count in zip(source.classes, have, strict=True) if count and name not in classes]
    if unknown:
        raise RequestError(_strangers(source, unknown, classes))
    if source.classes != classes:
        place = {name: i for i, name in enumerate(classes)}
        table = np.array([place.get(name, -1) for name in source.classes], dtype=np.int64)
        splits = {name: replace(part, labels=table[part.labels]) for name, part in source.splits.items()}
        source = replace(source, classes=classes, splits=splits)
    measured = np.bincount(source.splits[split].labels, minlength=len(classes))
    return source, tuple(name for name, count in zip(classes, measured, strict=True) if not count)


def _strangers(source: Source, unknown: Sequence[str], classes: Sequence[str]) -> str:
    """The sentence on classes that a model does not know."""
    text = (
        f"The model was trained on the classes {some(classes)}, and it does not know {some(unknown)} of {source.text}"
    )
    if all(name.isdecimal() for name in unknown):
        return f"{text}: these are numbers, and which class each means is not said there; write the names into it."
    return f"{text} ({nearest(unknown[0], classes)}). Give pictures of its classes, under their names."


def check_passes(model: Model, passes: int) -> None:
    """Raise RequestError when several passes are asked of a network that draws nothing."""
    several = isinstance(passes, int) and passes > 1  # what is no number is refused elsewhere
    if several and not any(isinstance(module, Drawn) for module in model.network.modules()):
        raise RequestError(f"passes = {passes}: this network draws nothing, so every pass would be the same; give 1.")


def choose_split(source: Source, asked: str | None) -> str:
    """The split to evaluate: the one asked for, else all, test or what is nearest to it. Raises RequestError."""
    if asked is None:
        return next(name for name in (WHOLE, "test", "validation", "train") if name in source.splits)
    if not isinstance(asked, str) or asked not in source.splits:
        raise RequestError(f'{source.text} has no split "{asked}"; it has {", ".join(source.splits)}.')
    return asked


def some(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    return ", ".join(names[:5]) + (f", ... ({len(names):,})" if len(names) > 5 else "")
