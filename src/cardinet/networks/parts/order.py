"""The order of norm and activation in a residual unit: He et al. 2016, Figure 4 and Section 4 (arXiv 1603.05027)."""

from __future__ import annotations

from typing import Literal, Self

from cardinet.networks.part import SHORTHANDS, Part, part

Words = Literal["", "bn", "relu", "bn relu"]


@part
class Order(Part):
    """The places of norm and activation in a unit: before, between and after its convolutions, and after the sum.

    In a unit that changes the shape, `pre` is computed once and feeds the shortcut too. The layers of `pre` also
    follow the last unit of the network.
    """

    pre: Words = ""
    """The layers before the first convolution."""

    between: Words = "bn relu"
    """The layers between two convolutions."""

    last: Words = "bn"
    """The layers after the last convolution."""

    after: Words = "relu"
    """The layers after the sum."""

    boundary: Literal["he", "fb", "timm"] = "he"
    """The use of `pre` in the first unit of the network. "he": it is computed once for branch and shortcut, and the
    stem has no activation. "fb": it is left out, and the stem has its own activation (fb.resnet.torch). "timm": it
    feeds only the branch. Without `pre` this has no effect.
    """

    def idle(self, other: Self) -> frozenset[str]:
        return frozenset() if self.pre or other.pre else frozenset({"boundary"})

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        found = []
        if "bn" in self.after.split():
            found.append(
                f'order.after = "{self.after}": the BN after the sum would normalise the input of a new unit, '
                "whatever its branch; only orders without this BN (a, d, e) can be deepened."
            )
        if self.last.endswith("relu"):
            found.append(
                f'order.last = "{self.last}": a branch of zeros before a ReLU has no gradient and would never '
                "learn; only orders without this ReLU (a, d, e) can be deepened."
            )
        return found

    def after_stem(self, words: str) -> str:
        """The layers after the stem's convolution. `words` is the stem's setting; "auto" is decided here."""
        if words != "auto":
            return words
        return "" if self.pre and self.boundary != "fb" else "bn relu"

    def problems_with_stem(self, words: str) -> list[str]:
        """Faults of the `words` of a stem with this order, one sentence each."""
        if not self.pre or (self.boundary, words) not in (("fb", ""), ("he", "bn relu")):
            return []
        first = "needs the stem's activation" if self.boundary == "fb" else "has the activation of the stem"
        return [f'stem.words = "{words}": the first unit (boundary = "{self.boundary}") {first}; use "auto".']

    def shares_pre(self, *, first: bool, same: bool) -> bool:
        """Whether `pre` feeds the shortcut too.

        `first`: the unit is the first of the network. `same`: it keeps the shape.
        """
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
