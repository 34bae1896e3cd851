"""The way around a transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from cardinet.networks.part import Part, part


@part
class Shortcut(Part):
    """The way around T (He et al. 2015, Section 3.3 and 4.1).

    It is the identity where the shape stays (but for kind C). A field that the kind has no use for does nothing.
    """

    kind: Literal["A", "B", "C", "identity", "none"] = "B"
    """Where a projection stands: A nowhere, as new channels are zero; B where the shape changes; C everywhere.
    identity: the shortcut is absent where the shape changes. none: it is absent everywhere (the ablation of
    ResNeXt).
    """

    project: Literal["conv bn", "conv", "avg conv bn", "conv3 bn"] = "conv bn"
    """The projection: a 1x1 convolution with BN, a bare one (pre-activation units), one behind an average pool that
    carries the stride (ResNet-D, ResNeSt), or a 3x3 where it strides (SENet-154).
    """

    sample: Literal["subsample", "avg"] = "subsample"
    """What kind A takes where the picture is halved: every second pixel, or the mean of 2x2."""

    pad: Literal["end", "both"] = "end"
    """Where kind A adds its zero channels: at the end, or half on both sides."""

    MODULE: ClassVar[str] = "shortcut:shortcut"
    ROLE: ClassVar[str] = "shortcut"

    @property
    def absent(self) -> bool:
        return self.kind == "none"

    @property
    def pads(self) -> bool:
        return self.kind == "A"

    def idle(self, other: Self) -> frozenset[str]:
        return frozenset() if self.pads or other.pads else frozenset({"pad", "sample"})

    def problems_along(self, streams: Sequence[int]) -> list[str]:
        if self.pads and list(streams) != sorted(streams):
            return [f'shortcut.kind = "A": the channels {streams} shrink, and zero padding only adds; use "B".']
        return []

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if self.absent:
            return ['shortcut.kind = "none": nothing passes a unit whose branch is zero, so no unit can be added.']
        if self.kind == "C" and self.project != "conv":
            return [
                f'shortcut.project = "{self.project}": with kind "C" a new unit has a projection whose BN normalises '
                "what passes it, so no unit can be added."
            ]
        return []
