"""Merges: how a unit joins its shortcut and its branch. A merge is the sum, or drops parts of it in training."""

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
    """The probability of unit l of L: 1 - (l / L)(1 - last), which falls to `last` (linear), or `last` for all units
    (uniform).
    """

    per: Literal["batch", "sample"] = "batch"
    """How often a unit draws: once for each batch (a closed branch is then not computed), or for each sample."""

    rescale: Literal["test", "train"] = "test"
    """Where the branch is scaled for the probability: test multiplies by it in eval mode (the authors), train divides
    by it in training (timm, torchvision).
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
                'merge.rule = "linear": the survival of the old units depends on the number of units and would '
                "change; strip first."
            ]
        return []


@part
class Swapout(Part):
    """Swapout: Singh, Hoiem and Forsyth 2016 (arXiv 1605.06465): theta1 * shortcut + theta2 * branch.

    theta1 and theta2 are independent Bernoulli draws per element. `stochastic_inference` averages several random
    passes; the paper finds this better than rescaling.
    """

    last: tuple[Survival, Survival] = (0.5, 0.5)
    """The probabilities with which the last unit keeps an element of the shortcut and of the branch."""

    rule: Literal["linear", "uniform"] = "linear"
    """The probabilities of the units: they fall from 1 in the first unit to `last` in the last (linear), or all are
    `last` (uniform).
    """

    rescale: Literal["test", "train"] = "test"
    """Where both sides are scaled for the probabilities: test takes the expectation in eval mode (the paper), train
    divides the draws by them in training (as dropout does in libraries).
    """

    MODULE: ClassVar[str] = "merge:Swapout"
    ROLE: ClassVar[str] = "merge"

    @property
    def plain_when_tested(self) -> bool:
        return self.rescale == "train"

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if drawing and (self.last[0] < 1 or (self.rule == "linear" and self.last[1] < 1)):
            why = "new units would change their input, or old units would get other probabilities"
            return [f"merge.last = {self.last}: {why}; strip first."]
        return []
