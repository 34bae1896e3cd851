"""Pictures of a split for a sheet, and their names and labels for a file of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cardinet.data.labelling.one import NO_CLASS
from cardinet.data.source import Split
from cardinet.data.thumbnail import thumbnail
from cardinet.explain.figures import Picture


def picture_of(split: Split, index: int, caption: Sequence[str] = (), *, right: bool | None = None) -> Picture:
    """One picture of a split, small. Raises WorkError if it cannot be decoded."""
    small = thumbnail(split.picture(index))
    return Picture(small.png, small.width, small.height, caption, right)


def names_and_labels(split: Split, classes: Sequence[str]) -> dict[str, Any]:
    """Arrays with one entry for each picture of a split: its place in the source, and its class by name and number.

    A class that is not known has no name and the number `NO_CLASS`.
    """
    return {
        "path": np.array([split.names.key(i) for i in range(len(split))], np.str_),
        "class": np.array(["" if k == NO_CLASS else classes[k] for k in split.labels.tolist()], np.str_),
        "label": split.labels,
    }
