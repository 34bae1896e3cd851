"""Recipes as they were written before: what their keys are called today. Old files and --set are read by it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from cardinet.base.settings import KEY, put

Path = tuple[str, ...]

RENAMED: dict[Path, Path] = {
    ("optimizer", "label_smoothing"): ("objective", "label_smoothing"),
    ("optimizer", "clip"): ("training", "clip"),
    ("optimizer", "accumulate"): ("training", "accumulate"),
    **{
        ("pruning", name): ("methods", "Pruning", name)
        for name in (
            *("keep_macs", "lasso", "compactor_momentum"),
            *("mask_from", "mask_until", "mask_every", "mask_rows"),
        )
    },
}

SCHEDULES = {"step": "Step", "cosine": "Cosine", "constant": "Constant"}
"""The words of `schedule.kind` and the parts that they are now."""

IDLE: dict[Path, Any] = {
    ("schedule", "drops"): [],
    ("schedule", "factor"): 0.1,
    ("schedule", "final"): 0.0,
    ("pruning", "compactor_momentum"): 0.99,
    ("pruning", "mask_from"): "3 %",
    ("pruning", "mask_until"): "60 %",
    ("pruning", "mask_every"): "0.25 %",
}
"""Old values that said nothing: a run.toml of before holds all settings, also those of what it does not use."""


def renewed(document: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """A recipe in today's keys. What is written in these stays as it is, right or wrong.

    A `whole` one has every setting, as in a run.toml of before: its idle ones are left out. An old `schedule.kind` says
    which part the schedule is, and its other settings stay.
    """
    found: dict[str, Any] = {}
    for name, group in document.items():
        if not isinstance(group, Mapping):
            found[name] = group
            continue
        if name != "pruning" and not isinstance(found.get(name), dict):
            found[name] = {}
        for key, value in group.items():
            if not (whole and IDLE.get((name, key), IDLE) == value):
                put(found, new_place((name, key)), copy.deepcopy(value))
    schedule = found.get("schedule")
    if isinstance(schedule, dict) and "kind" in schedule:
        kind = schedule.pop("kind")
        schedule[KEY] = SCHEDULES.get(kind, kind) if isinstance(kind, str) else kind
    return found


def new_place(path: Path) -> Path:
    """Where a setting stands now; the same where nothing has changed."""
    return RENAMED.get(path, path)


def old_place(key: str, value: Any) -> Path | None:
    """The place of a setting whose name of before, in short or dotted, the command line gives; None for no old name."""
    words = tuple(key.split("."))
    if words == ("schedule", "kind") or (words == ("kind",) and isinstance(value, str) and value in SCHEDULES):
        return ("schedule", "kind")
    return next((path for path in RENAMED if path == words or path[-1:] == words), None)
