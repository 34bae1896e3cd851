"""A claim of a paper: the statement, its printed figures, the experiment at each scale, and the rule of verdict.

A claim is one file in `claims/`. It imports no torch, so that the claims are listed at once; what an experiment needs
is imported where it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cardinet.networks.spec import NetworkSpec
from cardinet.reproduce.rules import NUMBER, PERCENT, Rule, Samples, Unit, Verdict
from cardinet.reproduce.scales import ScaleName

if TYPE_CHECKING:
    from cardinet.reproduce.trained import Trained

Chapter = Literal[
    "Residual networks",
    "Depth",
    "Width",
    "Cardinality",
    "Branches",
    "Attention",
    "Re-parameterisation",
    "Ensembles of paths",
    "Fusion",
]
"""The chapters of the book, in their order."""

Certainty = Literal["printed", "counted", "second hand"]
"""printed: seen in the paper or in its authors' repository. counted: follows exactly from the paper's description.
second hand: seen in an account of it.
"""


@dataclass(frozen=True)
class Printed:
    """A figure of the paper, with where it stands and how sure it is."""

    what: str
    value: str
    certainty: Certainty


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A training: a network by its id or description, with a delta, and settings beside those of the scale.

    The network has the channels and classes of the pictures.
    """

    network: str | NetworkSpec
    delta: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


Arms = Mapping[str, Arm]


class Lab(Protocol):
    """What an experiment works with (`lab.Laboratory`): its arms, its seeds, and their runs."""

    arms: Arms
    seeds: tuple[int, ...]

    def trained(self, name: str, seed: int) -> Trained:
        """The run of an arm with a seed."""


def errors_in_test(lab: Lab) -> Samples:
    """The test error of every arm for every seed."""
    return {name: [lab.trained(name, seed).error for seed in lab.seeds] for name in lab.arms}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim.

    `arms` gives the trainings of each scale; `measure` gets a laboratory that can run them, and returns the values
    that the `rule` judges; without arms it needs no pictures. `measures` says in words what the values are; with
    `percent` they are shares. `minutes` is the expected time of each scale; a scale that is not there is not offered.
    Where the paper draws lines, `places` gives the line and the x of each value, and `axis` names x; else `bars` are
    the values that are drawn as bars, all of them if it is None.
    """

    id: str
    chapter: Chapter
    statement: str
    paper: str
    printed: tuple[Printed, ...] = ()
    experiment: str
    measures: str = "test error"
    percent: bool = True
    rule: Rule
    arms: Callable[[ScaleName], Arms] = lambda scale: {}
    measure: Callable[[Lab], Samples] = errors_in_test
    minutes: Mapping[ScaleName, float]
    seeds: Mapping[ScaleName, int] = field(default_factory=dict)
    axis: str = ""
    places: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    bars: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()

    @property
    def unit(self) -> Unit:
        """How its values are written."""
        return PERCENT if self.percent else NUMBER

    def rule_sentence(self) -> str:
        """The rule in words."""
        return self.rule.sentence(self.unit)

    def verdict(self, samples: Samples) -> Verdict:
        """What the rule says of measured values."""
        return self.rule.verdict(samples, self.unit)
