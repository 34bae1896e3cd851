"""Every method trains with three processes as with one: the same losses in float64, and one network in all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardinet.runs.ranks import ALONE
from cardinet.train.recipe import METHODS
from ranks.methods_in_parts import losses
from ranks.started import told
from train.runs_to_compare import DIGITS, train


@pytest.mark.long
def test_every_method_trains_as_in_one_process(tmp_path: Path) -> None:
    teacher = train(tmp_path / "teacher", DIGITS | {"length": "5 steps", "threads": 1}).model
    alone = losses(ALONE, teacher)
    assert alone.keys() == METHODS.rows.keys()
    together = told("methods_in_parts", 3, str(teacher))
    assert len(together) == 3
    for name, expected in alone.items():
        for found in together:
            assert found[name] == pytest.approx(expected, rel=1e-9), name
