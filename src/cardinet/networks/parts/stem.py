"""The stem: the layers before the stages."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Count


@part
class Stem(Part):
    """The layers before the stages: convolutions, and for large pictures a pool."""

    layout: Literal["imagenet", "deep", "cifar"] = "imagenet"
    """The layers: imagenet is a 7x7 convolution /2, norm and a 3x3 max pool /2. deep has three 3x3 convolutions instead
    of the 7x7, the first with /2, the last of twice the width. cifar is one 3x3 convolution.
    """

    width: Count = 64
    """The channels of the convolution, in a deep stem of the first one."""

    words: Literal["auto", "bn relu", ""] = "auto"
    """The layers after the (last) convolution; auto: BN and ReLU, unless the first unit starts with them."""

    pool: Literal["pad", "ceil"] = "pad"
    """The border of the max pool: a padding of 1 as in torchvision (pad), or ceil mode without padding as in Caffe
    (ceil). The output has the same size. cifar has no pool.
    """

    MODULE: ClassVar[str] = "stem:stem"
    ROLE: ClassVar[str] = "stem"

    def idle(self, other: Self) -> frozenset[str]:
        return frozenset({"pool"}) if self.layout == other.layout == "cifar" else frozenset()

    @property
    def w_out(self) -> int:
        """The input channels of the first stage."""
        return 2 * self.width if self.layout == "deep" else self.width

    @property
    def layers(self) -> int:
        """The number of its convolutions."""
        return 3 if self.layout == "deep" else 1

    @property
    def stride(self) -> int:
        """Input pixels per pixel at the entry of the first stage."""
        return 1 if self.layout == "cifar" else 4
