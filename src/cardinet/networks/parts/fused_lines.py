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
    """The lines of a block of w channels: deep lines, and a shallow line beside them.

    A deep line is a chain of convolutions, each with BN. A ReLU stands between them, but not at the end. The shallow
    line is the identity where the shape stays the same.
    """

    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=1)] = (3, 3)
    """The kernel of each convolution of a deep line; the first one larger than 1x1 has the block's stride."""

    reduction: Count = 1
    """The divisor of the block's channels; it gives the channels of a deep line's convolutions, except the last."""

    shallow: Literal["none", "identity", "1x1", "3x3", "3x3-first"] = "1x1"
    """The shallow line where the shape changes: absent (identity), or a convolution with BN (1x1, 3x3). 3x3-first has
    the 3x3 in the first block of the network too. none: there is no shallow line in any block.
    """

    MODULE: ClassVar[str] = "deeply_fused:FusedLines"
    ROLE: ClassVar[str] = "lines"

    def keeps_shape(self, depths: tuple[int, ...], widths: tuple[int, ...]) -> tuple[bool, ...]:
        """For each block of these groups whether its input and its output have the same shape."""
        first = widths[0] // self.reduction == widths[0]
        groups = enumerate(zip(depths, widths, strict=False))
        return tuple(j > 0 or (i == 0 and first) for i, (depth, _) in groups for j in range(depth))

    def has_shallow(self, *, keeps_shape: bool) -> bool:
        """Whether a block has a shallow line."""
        return self.shallow != "none" and (keeps_shape or self.shallow != "identity")

    def shallow_layers(self, *, keeps_shape: bool, first: bool) -> int:
        """The convolutions of the shallow line of a block that has one; `first`: of the network's first block."""
        return int(not keeps_shape or (self.shallow == "3x3-first" and first))

    def problems_in_groups(self, depths: tuple[int, ...], widths: tuple[int, ...]) -> list[str]:
        """Faults of these lines in groups of these depths and widths, one sentence each."""
        found = unequal(depths, widths, "group")
        found += [
            f"reduction = {self.reduction} does not divide the {width} channels of a group; take a multiple of it."
            for width in widths
            if width % self.reduction
        ]
        return found


BARE_BOTTLENECK = FusedLines(kernels=(1, 3, 1), reduction=4, shallow="identity")
