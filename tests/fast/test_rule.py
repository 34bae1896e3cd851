"""When the fastest runtime is used without a request."""

from __future__ import annotations

import pytest

from cardinet.fast.rule import FEWEST, SECONDS, SHARE, pays

CASES = [
    # pictures left, seconds saved for each, seconds of the choice
    (1, 10.0, 0.1, False),  # however slow: so few are not looked at
    (FEWEST - 1, 10.0, 0.1, False),
    (FEWEST, 10.0, 0.1, True),
    (10_000, 0.0, 0.0, True),  # costs nothing
    (10_000, 0.0, 0.1, False),  # eager mode was chosen before: nothing is saved
    (1_000, SHARE * 0.05, SECONDS, False),  # ResNet-50 on two cores, 50 ms a picture: 17 s saved of 50
    (3_000, SHARE * 0.05, SECONDS, True),
    (50_000, SHARE * 0.001, SECONDS, False),  # ResNet-20 on CIFAR-10, 1 ms a picture
    (200_000, SHARE * 0.001, SECONDS, True),
    (1_000, 0.02, 3.0, True),  # a kept choice: 20 s saved for 3
    (200, 0.02, 3.0, False),
]


@pytest.mark.parametrize(("pictures", "saved", "cost", "expected"), CASES)
def test_it_has_to_save_twice_its_cost(pictures: int, saved: float, cost: float, expected: bool) -> None:
    assert pays(pictures, saved, cost) is expected


def test_the_cases_are_of_both_kinds() -> None:
    assert sorted(case[-1] for case in CASES) == [False] * 6 + [True] * 5
