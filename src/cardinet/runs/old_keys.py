"""Recipes in the keys of earlier versions: the current key for each old one. Old files and --set need it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from cardinet.base.errors import RequestError
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
    ("augmentation", "pad"): ("augmentation", "PadCrop", "pad"),
    ("augmentation", "pad_mode"): ("augmentation", "PadCrop", "pad_mode"),
    ("augmentation", "flip"): ("augmentation", "Flip", "probability"),
    ("augmentation", "resized_crop"): ("augmentation", "ResizedCrop", "area"),
    ("augmentation", "ratio"): ("augmentation", "ResizedCrop", "ratio"),
    **{
        ("augmentation", name): ("augmentation", "ColorJitter", name)
        for name in ("brightness", "contrast", "saturation", "hue")
    },
}

SCHEDULES = {"step": "Step", "cosine": "Cosine", "constant": "Constant"}
"""The old values of `schedule.kind` and the parts that replace them."""

IDLE: dict[Path, Any] = {
    ("schedule", "drops"): [],
    ("schedule", "factor"): 0.1,
    ("schedule", "final"): 0.0,
    ("pruning", "compactor_momentum"): 0.99,
    ("pruning", "mask_from"): "3 %",
    ("pruning", "mask_until"): "60 %",
    ("pruning", "mask_every"): "0.25 %",
    ("augmentation", "pad"): 0,
    **{("augmentation", name): 0.0 for name in ("flip", "brightness", "contrast", "saturation", "hue")},
}
"""Old values without effect: an old run.toml holds all settings, also those of parts that it does not use."""


SWITCHES = {"PadCrop": "pad", "ResizedCrop": "area"}
"""The setting of each augmentation that switched it on in old recipes."""


def with_current_keys(document: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """A recipe in current keys. Entries that use current keys stay unchanged, whether they are valid or not.

    A `whole` recipe has every setting, as in an old run.toml; its settings without effect are omitted. An old
    `schedule.kind` becomes the name of the schedule's part; the schedule's other settings stay.
    """
    found = renamed(document, whole=whole)
    varied, schedule = found.get("augmentation"), found.get("schedule")
    if whole and isinstance(varied, dict):
        found["augmentation"] = {name: part for name, part in varied.items() if not _switched_off(name, part)}
    if isinstance(schedule, dict) and "kind" in schedule:
        kind = schedule.pop("kind")
        found["schedule"] = {**schedule, KEY: SCHEDULES.get(kind, kind) if isinstance(kind, str) else kind}
    return found


def renamed(document: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """A recipe, or a delta to one, with every setting at its current place.

    `schedule.kind` stays: the recipe below the delta decides which settings the schedule keeps. Raises RequestError for
    a setting under its old and its current key.
    """
    old = {(name, key) for name, group in document.items() if isinstance(group, Mapping) for key in group} & {*RENAMED}
    found = {name: copy.deepcopy(group) for name, group in document.items()}
    for path in sorted(old):
        value = found[path[0]].pop(path[1])
        if whole and IDLE.get(path, IDLE) == value:
            continue
        place = new_place(path, value)
        if _holds(found, place):
            raise _twice(path, place)
        put(found, place if _is_free(found, place) else path, value)
    if whole and isinstance(schedule := found.get("schedule"), dict):
        found["schedule"] = {k: v for k, v in schedule.items() if IDLE.get(("schedule", k), IDLE) != v}
    return {name: group for name, group in found.items() if group or name != "pruning"}


def check_schedule(delta: Mapping[str, Any]) -> None:
    """Raise RequestError for a delta that names the schedule by its old and by its current key."""
    if isinstance(schedule := delta.get("schedule"), Mapping) and {"kind", KEY} <= schedule.keys():
        raise _twice(("schedule", "kind"), ("schedule", KEY))


def _is_free(document: Mapping[str, Any], path: Path) -> bool:
    """Whether a setting can be put at a path: every entry above it is a group or missing."""
    for name in path[:-1]:
        group = document.get(name, {})
        if not isinstance(group, dict):
            return False
        document = group
    return True


def _holds(document: Mapping[str, Any], path: Path) -> bool:
    """Whether there is a value at a path."""
    for name in path[:-1]:
        group = document.get(name)
        if not isinstance(group, Mapping):
            return False
        document = group
    return path[-1] in document


def _twice(old: Path, new: Path) -> RequestError:
    return RequestError(f"{'.'.join(old)} is the old key of {'.'.join(new)}, and both are given; keep the second.")


def _switched_off(name: str, part: Any) -> bool:
    """Whether an augmentation of an old run lacks the setting that switched it on."""
    return name in SWITCHES and isinstance(part, Mapping) and SWITCHES[name] not in part


def new_place(path: Path, value: Any) -> Path:
    """The current place of a setting. An augmentation that was switched off by none is removed as a whole."""
    place = RENAMED.get(path, path)
    switch = SWITCHES.get(place[1]) if len(place) == 3 else None
    return place[:2] if place[-1] == switch and str(value).lower() == "none" else place


def old_place(key: str, value: Any) -> Path | None:
    """The old place of a setting that the command line names by an old key, short or dotted; None for other keys."""
    words = tuple(key.split("."))
    if words == ("schedule", "kind") or (words == ("kind",) and isinstance(value, str) and value in SCHEDULES):
        return ("schedule", "kind")
    return next((path for path in RENAMED if path == words or path[-1:] == words), None)
