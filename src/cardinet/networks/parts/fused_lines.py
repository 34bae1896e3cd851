"""The lines of a block of a deeply-fused or merge-and-run network (arXiv 1605.07716, 1611.07718)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Count, unequal

Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
Layout = Literal["cifar", "imagenet"]

STEM_STRIDE = {"cifar": 1, "imagenet": 4}


@part
class FusedLines(Part):
    """The lines of a block of w channels: deep ones, and a shallow one around them.

    A deep line is a chain of convolutions with BN, ReLU between them and none at the end. The shallow line is the
    identity where the shape stays.
    """

    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=1)] = (3, 3)
    """The kernels of a deep line, one for each convolution; the first that is larger than 1x1 has the block's
    stride.
    """

    reduction: Count = 1
    """The divisor of the block's channels that gives those of all convolutions of a deep line but the last."""

    shallow: Literal["none", "identity", "1x1", "3x3", "3x3-first"] = "1x1"
    """The line beside the deep ones where the shape changes: absent (identity), or a convolution with BN; 3x3-first has
    it in the first block of the network too. none: it is absent everywhere.
    """

    MODULE: ClassVar[str] = "deeply_fused:FusedLines"
    ROLE: ClassVar[str] = "lines"

    def problems_in_groups(self, depths: tuple[int, ...], widths: tuple[int, ...]) -> list[str]:
        """What has no meaning in these lines and the groups of blocks that they form, one sentence each."""
        found = unequal(depths, widths, "group")
        found += [
            f"reduction = {self.reduction} does not divide the {width} channels of a group; take a multiple of it."
            for width in widths
            if width % self.reduction
        ]
        return found


BARE_BOTTLENECK = FusedLines(kernels=(1, 3, 1), reduction=4, shallow="identity")
