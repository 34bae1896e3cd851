"""The spatial convolution of a transform, and the parts that can replace it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, not_divided, part
from cardinet.networks.ranges import Count


@part
class Grouped(Part):
    """The spatial convolution, grouped."""

    cardinality: Count = 1
    """The number of groups of the convolution; 1: an ordinary convolution."""

    MODULE: ClassVar[str] = "spatial:grouped"
    ROLE: ClassVar[str] = "spatial"
    BRANCHED: ClassVar[bool] = True


@part
class SelectiveKernel(Part):
    """Selective kernels: Li et al. 2019, Section 3.1 (arXiv 1903.06586).

    There is one convolution for each (kernel, dilation), with BN and ReLU. Their outputs are weighted per channel. The
    weights come from the mean of their sum, through a hidden layer of max(channels / reduction, least) units.
    """

    cardinality: Count = 32
    """The number of groups of each convolution."""

    kernels: Annotated[tuple[tuple[Literal[1, 3, 5, 7], Count], ...], Field(min_length=2)] = ((3, 1), (3, 2))
    """The kernel and the dilation of each convolution."""

    reduction: Count = 16
    """The divisor of the channels; it gives the units of the hidden layer."""

    least: Count = 32
    """The smallest number of units of the hidden layer."""

    MODULE: ClassVar[str] = "selective_kernel:SelectiveKernel"
    ROLE: ClassVar[str] = "spatial"
    ACTIVATED: ClassVar[bool] = True

    @property
    def kernels_side_by_side(self) -> int:
        return len(self.kernels)


@part
class SplitAttention(Part):
    """Split attention: Zhang et al. 2020, Section 3.1 (arXiv 2004.08955).

    The splits are weighted per channel. The weights come from the mean of their sum, through a hidden layer of
    max(channels * radix / reduction, 32) units. In a unit with stride 2 a 3x3 average pool has the stride.
    """

    cardinality: Count = 1
    """The number of cardinal groups."""

    radix: Count = 2
    """The number of splits of each cardinal group."""

    reduction: Count = 4
    """The divisor of channels * radix; it gives the units of the hidden layer, at least 32."""

    pool: Literal["after", "before"] = "after"
    """The place of the 3x3 average pool in a unit with stride 2: after the convolution, or before it (the paper's fast
    setting).
    """

    def hidden_width(self, channels: int) -> int:
        """The units of the hidden layer for a number of channels; they are in `cardinality` groups too."""
        return max(channels * self.radix // self.reduction, 32)

    MODULE: ClassVar[str] = "split_attention:SplitAttention"
    ROLE: ClassVar[str] = "spatial"
    ACTIVATED: ClassVar[bool] = True

    @property
    def transforms(self) -> int:
        return self.cardinality * self.radix

    def undivided(self, before: Iterable[int], after: Iterable[int]) -> list[str]:
        groups, asked, after = self.cardinality, f"cardinality = {self.cardinality}", set(after)
        split = f"{asked} times radix = {self.radix}" if self.radix > 1 else asked
        hidden = map(self.hidden_width, after)
        return [
            *not_divided(split, groups * self.radix, before, "before the spatial convolution"),
            *not_divided(asked, groups, after, "after the spatial convolution"),
            *not_divided(asked, groups, hidden, "within the split attention"),
        ]
