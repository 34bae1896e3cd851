"""What stands in front of the stages."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Count


@part
class Stem(Part):
    """What stands in front of the stages: convolutions, and for large pictures a pool."""

    layout: Literal["imagenet", "deep", "cifar"] = "imagenet"
    """The kind: imagenet is a 7x7 convolution /2, norm and a max pool 3x3 /2; deep has 3x3 /2, 3x3 and 3x3 of twice the
    width instead of the 7x7; cifar is one 3x3.
    """

    width: Count = 64
    """The channels of the (first) convolution."""

    words: Literal["auto", "bn relu", ""] = "auto"
    """What follows the (last) convolution; auto: BN and ReLU, unless the first unit starts with them itself."""

    pool: Literal["pad", "ceil"] = "pad"
    """The border of the max pool: torchvision's padding of 1 (pad), or Caffe's ceil mode without (ceil); the output has
    the same size, and cifar has no pool.
    """

    MODULE: ClassVar[str] = "stem:stem"
    ROLE: ClassVar[str] = "stem"

    def idle(self, other: Self) -> frozenset[str]:
        return frozenset({"pool"}) if self.layout == other.layout == "cifar" else frozenset()

    @property
    def w_out(self) -> int:
        """The channels that enter the first stage."""
        return 2 * self.width if self.layout == "deep" else self.width

    @property
    def stride(self) -> int:
        """Input pixels per pixel that enters the first stage."""
        return 1 if self.layout == "cifar" else 4
