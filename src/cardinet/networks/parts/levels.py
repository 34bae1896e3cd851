"""Shortcuts across more than one unit: Zhang et al. 2016, Residual Networks of Residual Networks (arXiv 1608.02908)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, part


@part
class Levels(Part):
    """Projections (1x1 convolution, BN) around more than one unit: stages, the whole network, or both.

    Where several sums end at the same place, the activation follows only the outermost sum.
    """

    around: Annotated[tuple[Literal["stage", "network"], ...], Field(min_length=1, max_length=2)] = ("stage", "network")
    """The levels that have a projection around them: every stage, the whole network, or both (RoR-3)."""

    shrink: Literal["stride", "max"] = "stride"
    """How the picture is halved between stages: by a unit with stride 2 (stride), or by a 2x2 max pool before the
    stage (max).
    """

    MODULE: ClassVar[str] = "levels:Level"
    ROLE: ClassVar[str] = "levels"

    def problems(self) -> list[str]:
        if len(set(self.around)) < len(self.around):
            return [f'levels.around = {self.around}: one level is given twice; give ("{self.around[0]}",).']
        return []
