"""Rules of verdict: what the measured values must show. A rule is written down before the first run.

Values are compared in pairs: of the same seed, or of the same round of a timing. A claim of a difference needs the
whole 90 % interval of the mean difference (Student's t) on one side; a claim of equality needs that interval within a
margin (two one-sided tests). Every side has an error of at most 5 %.
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

READING = (
    "A verdict holds for its scale: a claim that is contradicted here has the opposite effect here, and may hold for "
    "other pictures and longer trainings.",
    f"Each comparison errs by chance in up to {100 * SIDE:.0f} % of its runs, so a few verdicts of a whole book can be "
    "wrong.",
    "Claims share trainings: the time of a training counts for the claim that ran first.",
)
"""How a book of verdicts is to be read."""

FEWEST_FOR_EQUALITY = 3
"""The fewest seeds of a claim of equality."""


@dataclass(frozen=True)
class Unit:
    """How values and their differences are written: times `factor`, with the name of the unit behind."""

    factor: float = 1.0
    of_values: str = ""
    of_differences: str = ""

    def value(self, value: float) -> str:
        return f"{self.factor * value:,.6g}{self.of_values}"

    def difference(self, difference: float) -> str:
        """A measured difference, with its sign and three digits. What is left of a subtraction by rounding is 0."""
        return f"{round(self.factor * difference, 12) + 0.0:+#.3g}".removesuffix(".") + self.of_differences

    def distance(self, distance: float) -> str:
        """A distance that a rule asks for, without a sign."""
        text = f"{self.factor * distance:.6g}"
        return text + (self.of_differences.removesuffix("s") if text == "1" else self.of_differences)


NUMBER = Unit()
PERCENT = Unit(100, " %", " points")
"""Shares, such as a test error: the values in percent, their differences in points."""


@dataclass(frozen=True)
class Verdict:
    """The outcome and its reason as one sentence for each comparison."""

    outcome: Outcome
    reasons: tuple[str, ...]


class Rule:
    """What the values must show."""

    def sentence(self, unit: Unit = NUMBER) -> str:
        """The rule in words."""
        raise NotImplementedError

    def verdict(self, samples: Samples, unit: Unit = NUMBER) -> Verdict:
        """The verdict on measured values."""
        raise NotImplementedError


@dataclass(frozen=True)
class Interval:
    """The mean of paired differences with its 90 % interval. One pair gives an interval from minus to plus infinity."""

    mean: float
    low: float
    high: float
    n: int

    def words(self, unit: Unit) -> str:
        """For example: "+67 points (90 % interval +61.2 to +72.8, n = 3)"."""
        if self.n < 2:
            return f"{unit.difference(self.mean)} (one pair gives no interval)"
        bare = Unit(unit.factor)
        return (
            f"{unit.difference(self.mean)} (90 % interval {bare.difference(self.low)} to {bare.difference(self.high)}, "
            f"n = {self.n})"
        )


def difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Second minus first, in pairs."""
    pairs = [b - a for a, b in zip(first, second, strict=True)]
    mean = statistics.fmean(pairs)
    if len(pairs) < 2:
        return Interval(mean, -math.inf, math.inf, len(pairs))
    from scipy.stats import t  # a slow import, and needed only here

    reach = float(t.ppf(1 - SIDE, len(pairs) - 1)) * statistics.stdev(pairs) / math.sqrt(len(pairs))
    return Interval(mean, mean - reach, mean + reach, len(pairs))


@dataclass(frozen=True)
class Less(Rule):
    """The values of `smaller` lie below those of `larger` by more than `by`; a negative `by` allows them above it."""

    smaller: str
    larger: str
    by: float = 0.0

    def sentence(self, unit: Unit = NUMBER) -> str:
        distance = unit.distance(abs(self.by))
        where = f'below "{self.larger}"'
        if self.by > 0:
            where += f" by more than {distance}"
        elif self.by < 0:
            where = f'less than {distance} above "{self.larger}"'
        return f'"{self.smaller}" is {where}, in pairs, at an error of 5 %.'

    def verdict(self, samples: Samples, unit: Unit = NUMBER) -> Verdict:
        found = difference(samples[self.smaller], samples[self.larger])
        outcome: Outcome = "not confirmed at this scale"
        if found.low > self.by:
            outcome = "confirmed"
        elif found.high < self.by:
            outcome = "contradicted"
        return Verdict(outcome, (f'"{self.larger}" minus "{self.smaller}": {found.words(unit)}.',))


@dataclass(frozen=True)
class Equal(Rule):
    """The values of two arms are equal within a margin. It needs at least three seeds."""

    first: str
    second: str
    margin: float

    def sentence(self, unit: Unit = NUMBER) -> str:
        return (
            f'"{self.first}" and "{self.second}" differ by at most {unit.distance(self.margin)}: the '
            f"90 % interval of the mean difference, over at least {FEWEST_FOR_EQUALITY} seeds, lies within."
        )

    def verdict(self, samples: Samples, unit: Unit = NUMBER) -> Verdict:
        found = difference(samples[self.first], samples[self.second])
        outcome: Outcome = "not confirmed at this scale"
        if found.low > self.margin or found.high < -self.margin:
            outcome = "contradicted"
        elif found.n >= FEWEST_FOR_EQUALITY and -self.margin <= found.low and found.high <= self.margin:
            outcome = "confirmed"
        margin = unit.distance(self.margin)
        return Verdict(outcome, (f'"{self.second}" minus "{self.first}": {found.words(unit)}; margin {margin}.',))


@dataclass(frozen=True)
class Within(Rule):
    """Every value of an arm lies from `low` to `high`."""

    name: str
    low: float
    high: float

    def sentence(self, unit: Unit = NUMBER) -> str:
        return f'"{self.name}" is from {unit.value(self.low)} to {unit.value(self.high)}.'

    def verdict(self, samples: Samples, unit: Unit = NUMBER) -> Verdict:
        values = samples[self.name]
        good = all(self.low <= value <= self.high for value in values)
        shown = ", ".join(unit.value(value) for value in values)
        return Verdict("confirmed" if good else "contradicted", (f'"{self.name}": {shown}.',))


@dataclass(frozen=True)
class Exactly(Rule):
    """Every value of each arm is exactly as expected."""

    expected: Mapping[str, float]

    def sentence(self, unit: Unit = NUMBER) -> str:
        return "; ".join(f'"{name}" is exactly {_exact(value, unit)}' for name, value in self.expected.items()) + "."

    def verdict(self, samples: Samples, unit: Unit = NUMBER) -> Verdict:
        wrong = [name for name, value in self.expected.items() if any(one != value for one in samples[name])]
        reasons = tuple(f'"{name}": {_exact(samples[name][0], unit)}.' for name in (wrong or self.expected))
        return Verdict("contradicted" if wrong else "confirmed", reasons)


def _exact(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:,.12g}{unit.of_values}"


@dataclass(frozen=True)
class All(Rule):
    """Several rules hold. One that is contradicted contradicts the claim."""

    rules: tuple[Rule, ...]

    def sentence(self, unit: Unit = NUMBER) -> str:
        return " And: ".join(rule.sentence(unit) for rule in self.rules)

    def verdict(self, samples: Samples, unit: Unit = NUMBER) -> Verdict:
        verdicts = [rule.verdict(samples, unit) for rule in self.rules]
        outcomes = {verdict.outcome for verdict in verdicts}
        order: tuple[Outcome, ...] = ("contradicted", "not confirmed at this scale", "confirmed")
        worst = next(outcome for outcome in order if outcome in outcomes)
        return Verdict(worst, tuple(reason for verdict in verdicts for reason in verdict.reasons))


def falling(names: Sequence[str]) -> All:
    """Each arm lies below the one before it."""
    return All(tuple(Less(smaller, larger) for larger, smaller in itertools.pairwise(names)))
