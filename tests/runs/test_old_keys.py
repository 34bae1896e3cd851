"""Recipes in the keys of before, read in today's."""

from __future__ import annotations

from typing import Any

import pytest

from cardinet.base.settings import leaves
from cardinet.runs.old_keys import IDLE, RENAMED, SCHEDULES, renewed
from cardinet.train.recipe import SCHEDULES as PARTS
from cardinet.train.recipe import Recipe, make_recipe, overrides


def test_what_is_new_is_there_and_what_is_old_is_not() -> None:
    today = set(leaves(Recipe))
    assert len(RENAMED) >= 10
    assert set(RENAMED.values()) <= today
    assert not set(RENAMED) & today
    assert set(SCHEDULES.values()) == set(PARTS.rows)
    assert all(path in RENAMED or path[0] == "schedule" for path in IDLE)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_reaches_its_setting(old: tuple[str, ...]) -> None:
    """From a document, and from the command line by its dotted and its short name."""
    document = {old[0]: {old[1]: 0.25}}
    found: Any = renewed(document)
    for word in RENAMED[old]:
        found = found[word]
    assert found == 0.25
    for name in (".".join(old), old[1]):
        delta, errors = overrides([(name, 0.25)])
        assert not errors
        assert delta == {word: group for word, group in renewed(document).items() if group}


def test_a_document_of_today_stays() -> None:
    document = Recipe().model_dump(mode="json")
    assert renewed(document) == document
    backwards = {name: dict(reversed(v.items())) if isinstance(v, dict) else v for name, v in document.items()}
    assert make_recipe(backwards) == Recipe()


@pytest.mark.parametrize(("kind", "part"), SCHEDULES.items())
def test_an_old_kind_of_schedule_keeps_the_other_settings(kind: str, part: str) -> None:
    document = {"schedule": {"warmup": "7 %", "kind": kind, "part": "Cosine"}}
    assert renewed(document) == {"schedule": {"warmup": "7 %", "part": part}}
    assert str(make_recipe(document).schedule.warmup) == "7 %"


def test_a_whole_recipe_loses_what_said_nothing() -> None:
    schedule = {"kind": "step", "drops": ["50 %"], "factor": 0.1, "final": 0.0, "warmup": "0 steps"}
    pruning = {"compactor_momentum": 0.99, "mask_from": "3 %", "mask_until": "60 %", "mask_every": "0.25 %"}
    assert renewed({"schedule": schedule, "pruning": pruning}, whole=True) == {
        "schedule": {"drops": ["50 %"], "warmup": "0 steps", "part": "Step"}
    }
    assert renewed({"pruning": pruning | {"keep_macs": 0.5, "mask_from": "4 %"}}, whole=True) == {
        "methods": {"Pruning": {"mask_from": "4 %", "keep_macs": 0.5}}
    }
