"""How many labels a picture has, one or several, as one object that every room asks."""

from __future__ import annotations

from cardinet.data.labelling.labelling import Labelling, Labels, Name, Rows
from cardinet.data.labelling.one import OneLabel
from cardinet.data.labelling.several import SeveralLabels

__all__ = ["LABELLINGS", "ONE", "SEVERAL", "Labelling", "Labels", "Name", "Rows", "labelling_of"]

ONE: Labelling = OneLabel()
SEVERAL: Labelling = SeveralLabels()

LABELLINGS: dict[Name, Labelling] = {one.NAME: one for one in (ONE, SEVERAL)}
"""By name, as model files write it."""


def labelling_of(labels: Labels) -> Labelling:
    """The labelling of some labels, by their type."""
    return SEVERAL if labels.ndim == 2 else ONE
