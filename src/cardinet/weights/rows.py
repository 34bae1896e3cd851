"""Which rows of a classifier come from a source that names its classes: each class keeps its own row, by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import HEAD
from cardinet.weights.printed import printable, some


@dataclass(frozen=True)
class Rows:
    """The places of the classes that a network and a source both have, in each of them, and the names of all others."""

    source: str
    ours: tuple[int, ...]
    theirs: tuple[int, ...]
    kept: tuple[str, ...]
    new: tuple[str, ...]

    def sentence(self) -> str:
        """What becomes of the rows, for the user."""
        count = len(self.kept) + len(self.new)
        if not self.new:
            return f"The classifier: its {count} classes are all in {self.source} and keep their rows, by their names."
        return (
            f"The classifier: {len(self.kept)} of {count} classes are those of {self.source} and keep their rows "
            f"({some(self.kept)}); drawn anew: {some(self.new)}."
        )


SYNSETS = 1000
"""Classes of ImageNet; the libraries have them in the order of their synsets' numbers, as a source of ImageNet has."""


def by_position(weights: Weights, classes: Sequence[str]) -> str:
    """The sentence on a classifier whose source does not name its classes, so that their order decides; else nothing.

    Nothing also where the order is known to be that of the `classes`: the libraries' of ImageNet.
    """
    if weights.classes or not classes:
        return ""
    library = weights.source.startswith(("torchvision:", "timm:"))
    synsets = len(classes) == SYNSETS and all(re.fullmatch(r"n\d{8}", name) for name in classes)
    if library and synsets and list(classes) == sorted(classes):
        return ""
    places = [f"{row} is {printable(name)}" for row, name in enumerate(classes)]
    shown = places if len(places) <= 3 else [*places[:2], "...", places[-1]]
    return f"{weights.source} does not name its classes; its classifier is used by position: class {', '.join(shown)}."


def rows_by_name(
    weights: Weights, classes: Sequence[str], own: Mapping[str, Tensor], names: Mapping[str, str]
) -> Rows | None:
    """The rows of a classifier of some `classes`, whose network has the tensors `own`, `names` being theirs by ours.

    None where the source does not name its classes or has just these, and where its classifier is not one of them.
    """
    if not classes or not weights.classes or weights.classes == tuple(classes):
        return None
    head = [name for name in HEAD if name in own]
    pairs = [(own[name], weights.tensors[names[name]]) for name in head if name in names]
    if len(pairs) < len(head) or not all(
        len(theirs) >= len(weights.classes) and ours.shape[1:] == theirs.shape[1:] for ours, theirs in pairs
    ):
        return None
    place = {name: row for row, name in enumerate(weights.classes)}
    kept = [(row, place[name]) for row, name in enumerate(classes) if name in place]
    return Rows(
        weights.source,
        tuple(row for row, _ in kept),
        tuple(row for _, row in kept),
        tuple(name for name in classes if name in place),
        tuple(name for name in classes if name not in place),
    )
