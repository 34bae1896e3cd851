"""Rules of verdict, against scipy's own tests and by hand."""

from __future__ import annotations

import pytest
from scipy import stats

from cardinet.reproduce.rules import PERCENT, All, Equal, Exactly, Less, Within, difference, falling

FIRST, SECOND = (1.0, 1.2, 0.9, 1.1), (1.5, 1.6, 1.7, 1.4)


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    found = difference(FIRST, SECOND)
    expected = stats.ttest_rel(SECOND, FIRST).confidence_interval(0.90)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.mean == pytest.approx(0.5)
    assert found.n == 4


@pytest.mark.parametrize("by", [0.0, 0.2, 0.4])
def test_less_is_a_one_sided_paired_t_test_at_five_percent(by: float) -> None:
    verdict = Less("a", "b", by=by).verdict({"a": FIRST, "b": SECOND})
    shifted = [value - by for value in SECOND]
    p = stats.ttest_rel(shifted, FIRST, alternative="greater").pvalue
    assert (verdict.outcome == "confirmed") == (p < 0.05)


def test_less_has_three_verdicts() -> None:
    samples = {"low": FIRST, "high": SECOND, "like low": (1.1, 1.0, 1.1, 1.0)}
    assert Less("low", "high").verdict(samples).outcome == "confirmed"
    assert Less("high", "low").verdict(samples).outcome == "contradicted"
    assert Less("low", "like low").verdict(samples).outcome == "not confirmed at this scale"


def test_equality_needs_three_seeds_and_an_interval_within_the_margin() -> None:
    near = {"a": (1.0, 1.1, 0.9), "b": (1.01, 1.1, 0.9)}
    assert Equal("a", "b", margin=0.05).verdict(near).outcome == "confirmed"
    assert Equal("a", "b", margin=0.001).verdict(near).outcome == "not confirmed at this scale"
    two = {name: values[:2] for name, values in near.items()}
    assert Equal("a", "b", margin=0.5).verdict(two).outcome == "not confirmed at this scale"
    far = {"a": (1.0, 1.1, 0.9), "b": (2.0, 2.1, 1.9)}
    assert Equal("a", "b", margin=0.5).verdict(far).outcome == "contradicted"


def test_one_seed_confirms_and_contradicts_nothing() -> None:
    one = {"a": (1.0,), "b": (2.0,)}
    for rule in (Less("a", "b"), Less("b", "a"), Equal("a", "b", margin=5)):
        verdict = rule.verdict(one)
        assert verdict.outcome == "not confirmed at this scale"
        assert "one pair gives no interval" in verdict.reasons[0]


def test_shares_are_told_in_points() -> None:
    errors = {"with": (0.05, 0.06, 0.07), "without": (0.72, 0.73, 0.74)}
    rule = Less("with", "without", by=0.01)
    assert rule.sentence(PERCENT).startswith('"with" is below "without" by more than 1 point,')
    reason = '"without" minus "with": +67.0 points (90 % interval +67.0 to +67.0, n = 3).'
    assert rule.verdict(errors, PERCENT).reasons == (reason,)
    assert 'less than 1.5 points above "b"' in Less("a", "b", by=-0.015).sentence(PERCENT)
    assert Within("share", 0, 0.5).verdict({"share": (0.25,)}, PERCENT).reasons == ('"share": 25 %.',)


def test_what_rounding_leaves_of_equal_means_is_no_difference() -> None:
    errors = {"a": (0.1, 0.2, 0.4), "b": (0.2, 0.4, 0.1)}
    (reason,) = Less("a", "b").verdict(errors, PERCENT).reasons
    assert '"b" minus "a": +0.00 points' in reason


def test_values_without_a_spread() -> None:
    samples = {"count": (12.0,), "ratio": (0.7,)}
    assert Exactly({"count": 12}).verdict(samples).outcome == "confirmed"
    assert Exactly({"count": 13}).verdict(samples).outcome == "contradicted"
    assert Within("ratio", 0.65, 0.85).verdict(samples).outcome == "confirmed"
    assert Within("ratio", 0.1, 0.2).verdict(samples).outcome == "contradicted"


def test_several_rules_are_as_weak_as_the_weakest() -> None:
    samples = {"a": FIRST, "b": SECOND, "c": (2.5, 2.6, 2.7, 2.4), "d": (2.6, 2.5, 2.6, 2.5)}
    assert falling(("c", "b", "a")).verdict(samples).outcome == "confirmed"
    assert falling(("d", "c", "b")).verdict(samples).outcome == "not confirmed at this scale"
    assert falling(("a", "b", "c")).verdict(samples).outcome == "contradicted"
    assert len(All((Less("a", "b"), Less("b", "c"))).verdict(samples).reasons) == 2
