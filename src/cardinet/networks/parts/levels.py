"""Shortcuts across more than one unit: Zhang et al. 2016, Residual Networks of Residual Networks (arXiv 1608.02908)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, part


@part
class Levels(Part):
    """A projection (1x1 convolution, BN) around every `stage`, around the whole `network`, or both (RoR-3).

    Where sums end together, the activation follows the outermost one. With `shrink` max the stages but the first
    begin with a 2x2 max pool instead of a strided unit.
    """

    around: Annotated[tuple[Literal["stage", "network"], ...], Field(min_length=1, max_length=2)] = ("stage", "network")
    shrink: Literal["stride", "max"] = "stride"

    MODULE: ClassVar[str] = "levels:Level"
    ROLE: ClassVar[str] = "levels"

    def problems(self) -> list[str]:
        if len(set(self.around)) < len(self.around):
            return [f'levels.around = {self.around}: it names a level twice; give ("{self.around[0]}",).']
        return []
