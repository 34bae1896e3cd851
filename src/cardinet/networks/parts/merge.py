"""How a unit joins its shortcut and its branch: the sum, and the rules that drop parts of it in training."""

from __future__ import annotations

from typing import ClassVar, Literal

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Survival


@part
class Add(Part):
    """The sum of shortcut and branch."""

    MODULE: ClassVar[str] = "merge:Add"
    ROLE: ClassVar[str] = "merge"
    JOINS: ClassVar[bool] = False


@part
class StochasticDepth(Part):
    """Stochastic depth: Huang et al. 2016, Sections 3 and 4 (arXiv 1603.09382).

    A closed unit is its shortcut. Its weights still decay and keep their momentum, as in the authors' code.
    """

    last: Survival = 0.5
    """The probability with which the last unit is open."""

    rule: Literal["linear", "uniform"] = "linear"
    """How the probability falls from 1 to `last`: unit l of L has 1 - (l / L)(1 - last) (linear), or all have `last`
    (uniform).
    """

    per: Literal["batch", "sample"] = "batch"
    """How often a unit draws: once for each batch, so that a closed branch is not computed, or for each sample."""

    rescale: Literal["test", "train"] = "test"
    """Where the probability is made up for: test multiplies the branch by it when testing (the authors), train divides
    the branch by it in training (timm, torchvision).
    """

    MODULE: ClassVar[str] = "merge:StochasticDepth"
    ROLE: ClassVar[str] = "merge"
    CLOSES: ClassVar[bool] = True

    @property
    def plain_when_tested(self) -> bool:
        return self.rescale == "train"

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if drawing and self.rule == "linear" and self.last < 1:
            return [
                'merge.rule = "linear": the survival of the old units follows from the number of all units and would '
                "change; strip first."
            ]
        return []


@part
class Swapout(Part):
    """Swapout: Singh, Hoiem and Forsyth 2016 (arXiv 1605.06465): theta1 * shortcut + theta2 * branch.

    theta1 and theta2 are independent Bernoulli draws per element. `stochastic_inference` averages passes with the draws
    on, which the paper finds better than either way to rescale.
    """

    last: tuple[Survival, Survival] = (0.5, 0.5)
    """The probabilities with which the last unit keeps an element of the shortcut and of the branch."""

    rule: Literal["linear", "uniform"] = "linear"
    """How the probabilities fall: from 1 in the first unit to `last` in the last (linear), or all are `last`
    (uniform).
    """

    rescale: Literal["test", "train"] = "test"
    """Where the probabilities are made up for: test takes the expectation when testing (the paper), train divides the
    draws by them in training (as dropout in libraries).
    """

    MODULE: ClassVar[str] = "merge:Swapout"
    ROLE: ClassVar[str] = "merge"

    @property
    def plain_when_tested(self) -> bool:
        return self.rescale == "train"

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if drawing and (self.last[0] < 1 or (self.rule == "linear" and self.last[1] < 1)):
            why = "Swapout would weigh what passes new units, or old ones anew"
            return [f"merge.last = {self.last}: {why}; strip first."]
        return []
