"""What a kind of network says of itself for a figure: its stages, and its enlarged units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cardinet.draw.flow import Part, arranged
from cardinet.draw.scene import Panel


@dataclass(frozen=True)
class Stage:
    """A row of the overview: a name, sentences, and its first direct child in the network.

    The counts of the stage are those of the children from this one to the first child of the next stage.
    """

    name: str
    about: tuple[str, ...]
    first: str


@dataclass(frozen=True)
class Around:
    """A shortcut with a projection around the stages from `first` to `last`, by number."""

    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Stages in order, enlarged parts, and shortcuts around stages."""

    stages: tuple[Stage, ...]
    panels: tuple[Panel, ...]
    around: tuple[Around, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Enlarged:
    """A part to be enlarged, as `Panel`."""

    title: str
    part: Part
    about: str = ""
    of: int | None = None


def panels(enlarged: Iterable[Enlarged]) -> tuple[Panel, ...]:
    """The panels of these parts, without those that differ from an earlier one only in numbers or in a stride."""
    seen: dict[str, Enlarged] = {}
    for one in enlarged:
        seen.setdefault(re.sub(r" /2|\d+", "", repr(one.part)), one)
    return tuple(Panel(one.title, arranged(one.part), one.about, one.of) for one in seen.values())
