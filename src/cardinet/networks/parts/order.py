"""The order of norm and activation in a residual unit: He et al. 2016, Figure 4 and Section 4 (arXiv 1603.05027)."""

from __future__ import annotations

from typing import Literal, Self

from cardinet.networks.part import SHORTHANDS, Part, part

Words = Literal["", "bn", "relu", "bn relu"]


@part
class Order(Part):
    """Where norm and activation stand in a unit: around its convolutions, and behind the sum.

    In a unit that changes the shape `pre` is computed once and feeds the shortcut too. After the last unit `pre` stands
    once more.
    """

    pre: Words = ""
    """What stands in front of the first convolution."""

    between: Words = "bn relu"
    """What stands between two convolutions."""

    last: Words = "bn"
    """What stands behind the last convolution."""

    after: Words = "relu"
    """What stands behind the sum."""

    boundary: Literal["he", "fb", "timm"] = "he"
    """What happens to `pre` in the first unit of the network. "he": it is computed once for branch and shortcut, as the
    activation of a bare stem. "fb": it is left out, as the stem has its own (fb.resnet.torch). "timm": it feeds the
    branch alone. Without `pre` this has no effect.
    """

    def idle(self, other: Self) -> frozenset[str]:
        return frozenset() if self.pre or other.pre else frozenset({"boundary"})

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        found = []
        if "bn" in self.after.split():
            found.append(
                f'order.after = "{self.after}": the BN after the sum would normalise what passes a new unit, '
                "whatever its branch; only orders without it (a, d, e) can be deepened."
            )
        if self.last.endswith("relu"):
            found.append(
                f'order.last = "{self.last}": behind a ReLU a branch that is zero has no gradient and would never '
                "learn; only orders without it (a, d, e) can be deepened."
            )
        return found

    def after_stem(self, words: str) -> str:
        """What follows the stem's convolution where the stem has `words`; "auto" is decided here."""
        if words != "auto":
            return words
        return "" if self.pre and self.boundary != "fb" else "bn relu"

    def problems_with_stem(self, words: str) -> list[str]:
        """What has no meaning in the words of a stem, one sentence each."""
        if not self.pre or (self.boundary, words) not in (("fb", ""), ("he", "bn relu")):
            return []
        first = "has no activation of its own" if self.boundary == "fb" else "activates a bare stem"
        return [f'stem.words = "{words}": the first unit ({self.boundary}) {first}; use "auto".']

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
