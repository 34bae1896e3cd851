"""The options of a training that have words of their own, and the settings that they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardinet.base.whole_numbers import without_exponent

SETS: Mapping[str, str] = {
    "data": "data.source",
    "epochs": "training.length",
    "device": "machine.device",
    "seed": "machine.seed",
    "batch_size": "training.batch_size",
    "lr": "optimizer.lr",
    "find_batch": "training.accumulate",
    "freeze": "methods.Freeze.layers",
    "workers": "machine.workers",
    "on_bad_image": "data.on_bad_image",
}
"""By option: the key of its setting."""


def as_settings(**options: Any) -> dict[str, Any]:
    """The settings of the options that are not None, by key."""
    given = {SETS[name]: value for name, value in options.items() if value is not None}
    if options.get("find_batch") is not None:
        if options["find_batch"]:
            given["training.accumulate"] = 0  # as few parts as fit
        else:
            given.pop("training.accumulate")
    length = given.get("training.length")
    if isinstance(length, int | float) and not isinstance(length, bool):
        given["training.length"] = f"{without_exponent(length)} epochs"
    return given
