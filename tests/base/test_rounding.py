"""By how much two results may differ."""

from __future__ import annotations

import math

import pytest

from cardinet.base.rounding import float32_limit, share


@pytest.mark.parametrize(
    ("difference", "largest", "expected"),
    [(0.0, 0.0, 0.0), (0.5, 2.0, 0.25), (0.5, 0.0, math.inf), (0.5, math.nan, math.inf)],
)
def test_a_difference_as_a_share(difference: float, largest: float, expected: float) -> None:
    assert share(difference, largest) == expected


def test_what_is_no_number_is_within_no_limit() -> None:
    assert math.isnan(share(math.nan, 2.0))
    assert not math.nan <= float32_limit(math.nan, lambda: 0.0)


def test_more_is_allowed_only_where_the_network_rounds_more() -> None:
    assert float32_limit(1e-4, lambda: pytest.fail("it was asked")) == 1e-3
    assert float32_limit(0.02, lambda: 1e-6) == 1e-3
    assert float32_limit(0.02, lambda: 0.003) == pytest.approx(0.03)
