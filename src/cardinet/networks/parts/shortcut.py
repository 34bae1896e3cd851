"""The shortcut around a transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from cardinet.networks.part import Part, part


@part
class Shortcut(Part):
    """The shortcut around T (He et al. 2015, Sections 3.3 and 4.1).

    It is the identity where the shape stays the same (except for kind C). A field that the kind does not use has no
    effect.
    """

    kind: Literal["A", "B", "C", "identity", "none"] = "B"
    """The units that have a projection: A none, as new channels are zero; B those that change the shape; C all.
    identity: there is no shortcut where the shape changes. none: there is no shortcut at all (the ablation of ResNeXt).
    """

    project: Literal["conv bn", "conv", "avg conv bn", "conv3 bn"] = "conv bn"
    """The projection: a 1x1 convolution with BN; without BN (pre-activation units); with BN after an average pool that
    has the stride (ResNet-D, ResNeSt); or with BN and a 3x3 kernel where the stride is 2 (SENet-154).
    """

    sample: Literal["subsample", "avg"] = "subsample"
    """How kind A halves the picture: every second pixel (subsample), or the mean of 2x2 pixels (avg)."""

    pad: Literal["end", "both"] = "end"
    """Where kind A adds its zero channels: all at the end, or half of them on each side (both)."""

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

    def projections(self, *, keeps_shape: bool) -> int | None:
        if self.kind == "none" or (self.kind == "identity" and not keeps_shape):
            return None
        return 1 if self.kind == "C" or (self.kind == "B" and not keeps_shape) else 0

    def problems_along(self, streams: Sequence[int]) -> list[str]:
        if self.pads and list(streams) != sorted(streams):
            return [
                f'shortcut.kind = "A": the channels {streams} shrink, but zero padding can only add channels; use "B".'
            ]
        return []

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if self.absent:
            return [
                'shortcut.kind = "none": a unit with a branch of zeros lets nothing through, so no unit can be added.'
            ]
        if self.kind == "C" and self.project != "conv":
            return [
                f'shortcut.project = "{self.project}": with kind "C" the BN in the shortcut of a new unit normalises '
                "its input, so no unit can be added."
            ]
        return []
