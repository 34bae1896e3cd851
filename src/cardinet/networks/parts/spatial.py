"""What can stand in the place of the spatial convolution of a transform."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, not_divided, part
from cardinet.networks.ranges import Count


@part
class Grouped(Part):
    """The spatial convolution, in groups."""

    cardinality: Count = 1
    """The groups of the convolution; 1: an ordinary one."""

    MODULE: ClassVar[str] = "spatial:grouped"
    ROLE: ClassVar[str] = "spatial"
    BRANCHED: ClassVar[bool] = True


@part
class SelectiveKernel(Part):
    """Selective kernels: Li et al. 2019, Section 3.1 (arXiv 1903.06586).

    One convolution per (kernel, dilation), each with BN and ReLU; their weights per channel come from the mean of
    their sum through max(channels / reduction, least) units.
    """

    cardinality: Count = 32
    """The groups of each convolution."""

    kernels: Annotated[tuple[tuple[Literal[1, 3, 5, 7], Count], ...], Field(min_length=2)] = ((3, 1), (3, 2))
    """The kernel and the dilation of each convolution."""

    reduction: Count = 16
    """The divisor of the channels that gives the units of the hidden layer."""

    least: Count = 32
    """The fewest units of the hidden layer."""

    MODULE: ClassVar[str] = "selective:SelectiveKernel"
    ROLE: ClassVar[str] = "spatial"
    ACTIVATED: ClassVar[bool] = True


@part
class SplitAttention(Part):
    """Split attention: Zhang et al. 2020, Section 3.1 (arXiv 2004.08955).

    The splits are weighted per channel from the mean of their sum through max(channels * radix / reduction, 32) units.
    A 3x3 average pool strides where the unit does.
    """

    cardinality: Count = 1
    """The cardinal groups."""

    radix: Count = 2
    """The splits of each cardinal group."""

    reduction: Count = 4
    """The divisor of channels * radix that gives the units of the hidden layer, 32 at least."""

    pool: Literal["after", "before"] = "after"
    """Where the 3x3 average pool of a unit that strides stands: after the convolution, or before it (the paper's fast
    setting).
    """

    def hidden_width(self, channels: int) -> int:
        """The units from which the weights of so many channels come, in `cardinality` groups too."""
        return max(channels * self.radix // self.reduction, 32)

    MODULE: ClassVar[str] = "split:SplitAttention"
    ROLE: ClassVar[str] = "spatial"
    ACTIVATED: ClassVar[bool] = True

    def undivided(self, before: Iterable[int], after: Iterable[int]) -> list[str]:
        groups, asked, after = self.cardinality, f"cardinality = {self.cardinality}", set(after)
        split = f"{asked} times radix = {self.radix}" if self.radix > 1 else asked
        hidden = map(self.hidden_width, after)
        return [
            *not_divided(split, groups * self.radix, before, "before the spatial convolution"),
            *not_divided(asked, groups, after, "after the spatial convolution"),
            *not_divided(asked, groups, hidden, "within the split attention"),
        ]
