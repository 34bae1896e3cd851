"""Match the rows of a classifier by the names of the classes: each class keeps its own row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import HEAD
from cardinet.weights.printable import first_names, printable


@dataclass(frozen=True)
class Rows:
    """The classes that a network and a source share: their rows in both (`ours`, `theirs`), and their names (`kept`).

    `new` are the names of the network's other classes.
    """

    source: str
    ours: tuple[int, ...]
    theirs: tuple[int, ...]
    kept: tuple[str, ...]
    new: tuple[str, ...]

    def sentence(self) -> str:
        """The result for the user."""
        count = len(self.kept) + len(self.new)
        if not self.new:
            return f"The classifier: its {count} classes are all in {self.source} and keep their rows, by their names."
        return (
            f"The classifier: {len(self.kept)} of {count} classes are those of {self.source} and keep their rows "
            f"({first_names(self.kept)}); initialised at random: {first_names(self.new)}."
        )


SYNSETS = 1000
"""The number of ImageNet's classes. The libraries sort them by the numbers of their synsets, as a data source does."""


def position_sentence(weights: Weights, classes: Sequence[str]) -> str:
    """A note if the source does not name its classes, so that their order decides; else empty.

    It is also empty if the order is known: the libraries' ImageNet classes in the order of `classes`.
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
    """The shared rows of a network's classifier for `classes` and a source's classifier.

    `own` are the network's tensors, `names` maps our names to the source's. None if the source does not name its
    classes, has exactly these, or has no classifier with a row for each of its classes.
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
