"""The order of norm and activation in a residual unit: He et al. 2016, Figure 4 and Section 4 (arXiv 1603.05027)."""

from __future__ import annotations

from typing import Literal

from cardinet.networks.part import SHORTHANDS, part

Words = Literal["", "bn", "relu", "bn relu"]


@part
class Order:
    """What stands before the first convolution (`pre`), between two, after the last one, and after the sum (`after`).

    `boundary` says what happens to `pre` where it matters whom it feeds. In a unit that changes the shape it is
    computed once and feeds the shortcut too. Of the first unit, he: there too, as it is the activation of a bare
    stem; fb: the first unit has none, as the stem has its own (fb.resnet.torch, preresnet.lua); timm: as in every
    other unit that keeps the shape, it feeds the branch alone. After the last unit `pre` stands once more. Without
    `pre` there is nothing to say.
    """

    pre: Words = ""
    between: Words = "bn relu"
    last: Words = "bn"
    after: Words = "relu"
    boundary: Literal["he", "fb", "timm"] = "he"

    def shares_pre(self, *, first: bool, same: bool) -> bool:
        """Whether `pre` feeds the shortcut too, in the first unit of the network or one that keeps the shape."""
        return bool(self.pre) and not self.skips_pre(first=first) and (not same or (first and self.boundary == "he"))

    def skips_pre(self, *, first: bool) -> bool:
        """Whether a unit has no `pre`."""
        return first and self.boundary == "fb"


ORDERS = {
    "a": Order(),
    "b": Order(last="", after="bn relu"),
    "c": Order(last="bn relu", after=""),
    "d": Order(pre="relu", after=""),
    "e": Order(pre="bn relu", last="", after=""),
}
"""(a) original, (b) BN after addition, (c) ReLU before addition, (d) ReLU-only, (e) full pre-activation."""

SHORTHANDS["order"] = ORDERS
