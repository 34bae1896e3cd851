"""How a unit joins its shortcut and its branch: the sum, and the rules that drop parts of it in training."""

from __future__ import annotations

from typing import ClassVar, Literal

from cardinet.networks.numbers import Survival
from cardinet.networks.part import Part, part


@part
class Add(Part):
    """The sum of shortcut and branch."""

    MODULE: ClassVar[str] = "merge:Add"
    ROLE: ClassVar[str] = "merge"
    JOINS: ClassVar[bool] = False


@part
class StochasticDepth(Part):
    """Stochastic depth: Huang et al. 2016, Sections 3 and 4 (arXiv 1603.09382).

    Unit l of L is open with probability 1 - (l / L)(1 - last) (`rule` linear) or `last` (uniform), drawn once per
    mini-batch or per `sample`. A closed unit is its shortcut: its branch is not computed (per batch). `rescale`
    test: the branch is multiplied by the probability when testing (the authors); train: divided by it in training
    (timm, torchvision). The weights of a closed unit still decay and keep their momentum, as in the authors' code.
    """

    last: Survival = 0.5
    rule: Literal["linear", "uniform"] = "linear"
    per: Literal["batch", "sample"] = "batch"
    rescale: Literal["test", "train"] = "test"

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

    theta1 and theta2 are independent Bernoulli draws per element with keep probabilities that go from 1 at the
    first unit to `last` at the last (`rule` linear) or are `last` everywhere (uniform). `rescale` test: testing
    takes the expectation (the paper); train: the draws are divided by their probabilities (dropout as libraries
    have it). `stochastic_inference` averages passes with the draws on, which the paper finds better than either.
    """

    last: tuple[Survival, Survival] = (0.5, 0.5)
    rule: Literal["linear", "uniform"] = "linear"
    rescale: Literal["test", "train"] = "test"

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
