"""Cases that prove breadth, of which the quick tests run only some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def breadth(cases: Iterable[Any], *long: Any) -> list[Any]:
    """The cases for `parametrize`; those that are named again are long tests. A tuple is one case of several values."""
    cases = list(cases)
    unknown = [case for case in long if case not in cases]
    assert not unknown, f"there is no case {unknown}"
    assert len(long) < len(cases), "a quick case has to stay"
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long if case in long else ())
        for case in cases
    ]
