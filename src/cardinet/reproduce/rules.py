"""Rules of verdict: what the measured values must show. A rule is written down before the first run.

Values are compared in pairs of the same seed. A claim of a difference needs the whole 90 % interval of the mean
difference (Student's t) on one side; a claim of equality needs that interval within a margin (two one-sided tests).
Every side has an error of at most 5 %.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Samples = Mapping[str, Sequence[float]]
"""The measured values of each arm, one for each seed in the same order."""

Outcome = Literal["confirmed", "not confirmed at this scale", "contradicted"]

SIDE = 0.05
"""The error of each side of an interval."""


@dataclass(frozen=True)
class Verdict:
    """The outcome and its reason as one sentence for each comparison."""

    outcome: Outcome
    reasons: tuple[str, ...]


class Rule:
    """What the values must show."""

    def sentence(self) -> str:
        """The rule in words."""
        raise NotImplementedError

    def verdict(self, samples: Samples) -> Verdict:
        """The verdict on measured values."""
        raise NotImplementedError


@dataclass(frozen=True)
class Interval:
    """The mean of paired differences with its 90 % interval."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:+.3g} (90 % interval {self.low:+.3g} to {self.high:+.3g}, n = {self.n})"


def difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Second minus first, in pairs. With one pair the interval has no width: it is for values without a spread."""
    pairs = [b - a for a, b in zip(first, second, strict=True)]
    mean = statistics.fmean(pairs)
    if len(pairs) < 2:
        return Interval(mean, mean, mean, len(pairs))
    from scipy.stats import t  # a slow import, and needed only here

    reach = float(t.ppf(1 - SIDE, len(pairs) - 1)) * statistics.stdev(pairs) / math.sqrt(len(pairs))
    return Interval(mean, mean - reach, mean + reach, len(pairs))


@dataclass(frozen=True)
class Less(Rule):
    """The values of `smaller` lie below those of `larger` by more than `by`; a negative `by` allows them above it."""

    smaller: str
    larger: str
    by: float = 0.0

    def sentence(self) -> str:
        where = f"below {self.larger}"
        if self.by > 0:
            where += f" by more than {self.by:g}"
        elif self.by < 0:
            where = f"at most {-self.by:g} above {self.larger}"
        return f"{self.smaller} is {where}, in pairs of the same seed, at an error of 5 %."

    def verdict(self, samples: Samples) -> Verdict:
        found = difference(samples[self.smaller], samples[self.larger])
        outcome: Outcome = "not confirmed at this scale"
        if found.low > self.by:
            outcome = "confirmed"
        elif found.high < self.by:
            outcome = "contradicted"
        return Verdict(outcome, (f"{self.larger} minus {self.smaller}: {found}.",))


@dataclass(frozen=True)
class Equal(Rule):
    """The values of two arms are equal within a margin. It needs at least three seeds."""

    first: str
    second: str
    margin: float

    def sentence(self) -> str:
        return (
            f"{self.first} and {self.second} differ by at most {self.margin:g}: the 90 % interval of the mean "
            "difference, over at least 3 seeds, lies within."
        )

    def verdict(self, samples: Samples) -> Verdict:
        found = difference(samples[self.first], samples[self.second])
        outcome: Outcome = "not confirmed at this scale"
        if found.low > self.margin or found.high < -self.margin:
            outcome = "contradicted"
        elif found.n >= 3 and -self.margin <= found.low and found.high <= self.margin:
            outcome = "confirmed"
        return Verdict(outcome, (f"{self.second} minus {self.first}: {found}; margin {self.margin:g}.",))


@dataclass(frozen=True)
class Within(Rule):
    """Every value of an arm lies from `low` to `high`."""

    name: str
    low: float
    high: float

    def sentence(self) -> str:
        return f"{self.name} is from {self.low:g} to {self.high:g}."

    def verdict(self, samples: Samples) -> Verdict:
        values = samples[self.name]
        good = all(self.low <= value <= self.high for value in values)
        shown = ", ".join(f"{value:.6g}" for value in values)
        return Verdict("confirmed" if good else "contradicted", (f"{self.name}: {shown}.",))


@dataclass(frozen=True)
class Exactly(Rule):
    """Every value of each arm is exactly as expected."""

    expected: Mapping[str, float]

    def sentence(self) -> str:
        return "; ".join(f"{name} is exactly {value:,.12g}" for name, value in self.expected.items()) + "."

    def verdict(self, samples: Samples) -> Verdict:
        wrong = [name for name, value in self.expected.items() if any(one != value for one in samples[name])]
        reasons = tuple(f"{name}: {samples[name][0]:,.12g}." for name in (wrong or self.expected))
        return Verdict("contradicted" if wrong else "confirmed", reasons)


@dataclass(frozen=True)
class All(Rule):
    """Several rules hold. One that is contradicted contradicts the claim."""

    rules: tuple[Rule, ...]

    def sentence(self) -> str:
        return " And: ".join(rule.sentence() for rule in self.rules)

    def verdict(self, samples: Samples) -> Verdict:
        verdicts = [rule.verdict(samples) for rule in self.rules]
        outcomes = {verdict.outcome for verdict in verdicts}
        order: tuple[Outcome, ...] = ("contradicted", "not confirmed at this scale", "confirmed")
        worst = next(outcome for outcome in order if outcome in outcomes)
        return Verdict(worst, tuple(reason for verdict in verdicts for reason in verdict.reasons))


def falling(names: Sequence[str]) -> All:
    """Each arm lies below the one before it."""
    return All(tuple(Less(smaller, larger) for larger, smaller in itertools.pairwise(names)))
