"""Recipes in the keys of before, read in today's."""

from __future__ import annotations

from typing import Any

import pytest

from cardinet.base.errors import RequestError
from cardinet.base.settings import merge, setting_paths
from cardinet.runs.old_keys import IDLE, RENAMED, SCHEDULES, renamed, with_current_keys
from cardinet.train.recipe import SCHEDULES as PARTS
from cardinet.train.recipe import Recipe, make_recipe, overrides

OLD: dict[str, Any] = {
    "optimizer": {"lr": 0.3, "label_smoothing": 0.1, "accumulate": 2},
    "schedule": {"kind": "step", "warmup": "5 %", "drops": ["50 %"], "factor": 0.2},
    "augmentation": {"pad": 4, "pad_mode": "mean", "flip": 0.5, "hue": 0.1},
    "pruning": {"keep_macs": 0.5},
    "training": {"length": "3 epochs"},
}
NEW: dict[str, Any] = {
    "optimizer": {"lr": 0.3},
    "objective": {"label_smoothing": 0.1},
    "schedule": {"part": "Step", "warmup": "5 %", "drops": ["50 %"], "factor": 0.2},
    "augmentation": {
        "PadCrop": {"pad": 4, "pad_mode": "mean"}, "Flip": {"probability": 0.5}, "ColorJitter": {"hue": 0.1}
    },
    "methods": {"Pruning": {"keep_macs": 0.5}},
    "training": {"length": "3 epochs", "accumulate": 2},
}  # fmt: skip


def test_what_is_new_is_there_and_what_is_old_is_not() -> None:
    today = set(setting_paths(Recipe))
    assert len(set(RENAMED.values())) == len(RENAMED) == 19
    assert set(RENAMED.values()) <= today
    assert not set(RENAMED) & today
    assert set(SCHEDULES.values()) == {"Constant", "Cosine", "Step"} <= set(PARTS.rows)
    assert all(path in RENAMED or path[0] == "schedule" for path in IDLE)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_reaches_its_setting(old: tuple[str, ...]) -> None:
    """From a document, and from the command line by its dotted and its short name."""
    value = 2 if old[1] == "pad" else 0.25
    document = {old[0]: {old[1]: value}}
    found: Any = with_current_keys(document)
    for word in RENAMED[old]:
        found = found[word]
    assert found == value
    for name in (".".join(old), old[1]):
        delta, errors = overrides([(name, value)])
        assert not errors
        assert delta == {word: group for word, group in with_current_keys(document).items() if group}


def test_a_document_of_today_stays() -> None:
    document = Recipe().model_dump(mode="json")
    assert with_current_keys(document) == document
    backwards = {name: dict(reversed(v.items())) if isinstance(v, dict) else v for name, v in document.items()}
    assert make_recipe(backwards) == Recipe()


@pytest.mark.parametrize(("kind", "part"), SCHEDULES.items())
def test_an_old_kind_of_schedule_keeps_the_other_settings(kind: str, part: str) -> None:
    document = {"schedule": {"warmup": "7 %", "kind": kind, "part": "Cosine"}}
    assert with_current_keys(document) == {"schedule": {"warmup": "7 %", "part": part}}
    assert str(make_recipe(document).schedule.warmup) == "7 %"


def test_a_whole_recipe_loses_what_said_nothing() -> None:
    schedule = {"kind": "step", "drops": ["50 %"], "factor": 0.1, "final": 0.0, "warmup": "0 steps"}
    pruning = {"compactor_momentum": 0.99, "mask_from": "3 %", "mask_until": "60 %", "mask_every": "0.25 %"}
    assert with_current_keys({"schedule": schedule, "pruning": pruning}, whole=True) == {
        "schedule": {"drops": ["50 %"], "warmup": "0 steps", "part": "Step"}
    }
    assert with_current_keys({"pruning": pruning | {"keep_macs": 0.5, "mask_from": "4 %"}}, whole=True) == {
        "methods": {"Pruning": {"mask_from": "4 %", "keep_macs": 0.5}}
    }


@pytest.mark.parametrize("whole", [False, True])
def test_old_keys_become_those_of_today_once_and_for_all(whole: bool) -> None:
    assert with_current_keys(OLD, whole=whole) == NEW
    assert with_current_keys(NEW, whole=whole) == NEW
    backwards = {name: dict(reversed(group.items())) for name, group in reversed(OLD.items())}
    assert with_current_keys(with_current_keys(backwards, whole=whole)) == NEW


def test_a_kind_of_schedule_keeps_what_lies_beneath() -> None:
    base = {"schedule": {"part": "Cosine", "warmup": "5 %"}}
    assert with_current_keys(merge(base, renamed({"schedule": {"kind": "constant"}}))) == {
        "schedule": {"part": "Constant", "warmup": "5 %"}
    }


def test_what_was_idle_in_a_whole_recipe_is_left_out() -> None:
    idle: dict[str, Any] = {}
    for (group, name), value in IDLE.items():
        idle = merge(idle, {group: {name: value}})
    idle["augmentation"] |= {"pad_mode": "mean", "ratio": [1.0, 2.0]}
    assert with_current_keys(idle, whole=True) == {"schedule": {}, "augmentation": {}}
    assert set(with_current_keys(idle)["augmentation"]) == {"PadCrop", "Flip", "ResizedCrop", "ColorJitter"}


@pytest.mark.parametrize("wrong", [{"training": 1}, {"objective": "x"}, {"methods": ["x"]}, {"augmentation": 3}])
def test_an_old_key_does_not_hide_what_is_wrong_where_it_stands_now(wrong: dict[str, Any]) -> None:
    old = {"optimizer": {"clip": 1.0, "label_smoothing": 0.1}, "pruning": {"keep_macs": 0.5}}
    for document in (old | wrong, wrong | old):
        with pytest.raises(RequestError) as caught:
            make_recipe(document)
        assert any(finding.startswith(next(iter(wrong))) for finding in caught.value.findings)
