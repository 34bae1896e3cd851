"""The interval of a mean difference."""

from __future__ import annotations

import pytest
from scipy.stats import ttest_rel

from cardinet.evaluate.intervals import paired


def test_a_paired_interval_is_scipys() -> None:
    first, second = [0.1, 0.4, 0.35, 0.8, 0.2], [0.3, 0.35, 0.5, 0.95, 0.15]
    mean, interval = paired(first, second)
    theirs = ttest_rel(first, second).confidence_interval(0.95)
    assert mean == pytest.approx(sum(first) / 5 - sum(second) / 5)
    assert interval == pytest.approx((theirs.low, theirs.high))


def test_one_pair_has_no_interval_and_none_no_mean() -> None:
    assert paired([0.75], [0.25]) == (0.5, None)
    with pytest.raises(ValueError, match="at least one"):
        paired([], [])
