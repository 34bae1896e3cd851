"""Divide the pictures of a source into the splits that it lacks, and apply the limit."""

from __future__ import annotations

import numpy as np

from cardinet.base.amounts import amount
from cardinet.base.errors import WorkError
from cardinet.base.randomness import permutation
from cardinet.data.data_settings import DataSettings
from cardinet.data.labelling import Rows
from cardinet.data.source_listing import Listing, SplitPictures

UNSPLIT_VALIDATION = 0.1
WHOLE = "all"
"""The only split of a source that has no splits and is not divided."""
_LIMIT_STREAM = 1_000_003  # differs from the class numbers, which are the streams of the splits


def pictures_of(split: str, count: int | None = None) -> str:
    """The pictures of a split in words: "test pictures", "1,000 test pictures"; without a split only "pictures"."""
    noun = "picture" if count == 1 else "pictures"
    return " ".join([*([] if count is None else [f"{count:,}"]), *([] if split == WHOLE else [split]), noun])


def divided(listing: Listing, settings: DataSettings) -> dict[str, SplitPictures]:
    """The parts train, validation and test by the settings, before the limit.

    A part that would be empty (very few pictures) is omitted. Raises WorkError for folds of too few pictures.
    """
    if settings.folds is not None and settings.fold is not None:
        return _folded(listing, settings, settings.folds, settings.fold)
    parts = dict(listing.parts)
    if listing.unsplit:
        validation = UNSPLIT_VALIDATION if settings.validation is None else settings.validation
        shares = {"test": settings.test, "validation": validation}
    else:
        shares = {} if "validation" in parts else {"validation": settings.validation or 0.0}
    held = listing.labelling.held_out(parts["train"].labels, list(shares.values()), settings.split_seed)
    train = parts["train"]
    for name, rows in zip(shares, held[:-1], strict=True):
        if len(rows):
            parts[name] = train.take(rows)
    if len(held[-1]) < len(train):
        parts["train"] = train.take(held[-1])
    return {name: parts[name] for name in ("train", "validation", "test") if name in parts}


def _folded(listing: Listing, settings: DataSettings, folds: int, fold: int) -> dict[str, SplitPictures]:
    """The parts with one of the folds as validation split.

    The folds divide the train pictures, together with a source's own validation pictures: every picture is in one fold.
    The test split is the source's own; of a source without any split it is taken first, the same one for all folds.
    """
    parts = dict(listing.parts)
    pictures = parts["train"]
    if "validation" in parts:
        pictures = pictures.joined(parts["validation"])
    if listing.unsplit:
        test, rest = listing.labelling.held_out(pictures.labels, [settings.test], settings.split_seed)
        parts["test"], pictures = pictures.take(test), pictures.take(rest)
    if len(pictures) < folds:
        have = f"only {amount(len(pictures), 'training picture')}; give fewer folds" if len(pictures) else "no pictures"
        raise WorkError(f"data.folds = {folds}: there are {have}.")
    counts = listing.labelling.counts(pictures.labels, len(listing.classes))
    if single := [name for name, count in zip(listing.classes, counts, strict=True) if count == 1]:
        raise WorkError(
            f"{single[0]} has only one training picture, so one of the folds could not learn it "
            f"({len(single):,} such classes); data.folds needs two or more of each class."
        )
    numbers = listing.labelling.folds(pictures.labels, folds, settings.split_seed)
    parts["train"] = pictures.take(np.flatnonzero(numbers != fold))
    parts["validation"] = pictures.take(np.flatnonzero(numbers == fold))
    return {name: parts[name] for name in ("train", "validation", "test") if name in parts and len(parts[name])}


def limited(part: SplitPictures, limit: int | None, seed: int) -> SplitPictures:
    """At most `limit` pictures, chosen by seed and kept in order."""
    if limit is None or len(part) <= limit:
        return part
    return part.take(np.sort(permutation(seed, _LIMIT_STREAM, len(part))[:limit]))


def spread_rows(total: int, most: int) -> Rows:
    """At most `most` of `total` rows, evenly spread."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(np.int64))
