"""What stands in front of the stages."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from cardinet.networks.numbers import Count
from cardinet.networks.part import Part, part


@part
class Stem(Part):
    """imagenet: 7x7 /2, norm, max pool 3x3 /2. deep: 3x3 /2, 3x3, 3x3 of twice the width, then as imagenet.

    cifar: 3x3. `words` is what follows the (last) convolution; auto: BN and ReLU, unless the first unit starts with
    them itself. `pool` is torchvision's (pad 1) or Caffe's (no pad, ceil mode); the output has the same size,
    and cifar has none.
    """

    layout: Literal["imagenet", "deep", "cifar"] = "imagenet"
    width: Count = 64
    words: Literal["auto", "bn relu", ""] = "auto"
    pool: Literal["pad", "ceil"] = "pad"

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
