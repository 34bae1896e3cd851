"""The temperature of a model: what is said of it, and what it changes in the training summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cardinet.data.splitting import pictures_of
from cardinet.rewrite.steps import Step, apply
from cardinet.rewrite.temperature import NAME
from cardinet.runs.model_file import Model

SPLITS = ("validation", "test")
"""The splits whose figures are in a training summary."""


def at_temperature(
    model: Model, temperature: float, fitted: Mapping[str, Any] | None = None, losses: Mapping[str, float] | None = None
) -> Model:
    """The model at another temperature, in the place of its own. `fitted` and `losses`: see `summary_at_temperature`.

    Raises RequestError for a temperature that is not a finite number above 0.
    """
    step = Step(NAME, {"temperature": temperature, "was": model.temperature})
    return replace(
        model,
        network=apply(model.network, [step]),
        rewrites=(*model.rewrites, step),
        training=summary_at_temperature(model.training, fitted, losses),
    )


def temperature_note(model: Model) -> str | None:
    """A sentence on the temperature of a model; None if it has none."""
    if model.temperature == 1.0:
        return None
    about = model.training.get("calibration")
    fitted = ""
    if isinstance(about, Mapping):
        fitted = f", which was fitted to {pictures_of(about['split'], about['count'])} of {about['data']}"
    return f"The logits are divided by the temperature {model.temperature:.4g}{fitted}."


def summary_at_temperature(
    training: Mapping[str, Any], fitted: Mapping[str, Any] | None = None, losses: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The training summary of a model with a new temperature, which changes its losses but no error.

    `fitted` says how the temperature was fitted (`weights.metadata.FittedTemperature`). `losses` has the new loss of
    each split where it is known.
    """
    found = {key: value for key, value in training.items() if key != "calibration"}
    for name in SPLITS:
        if isinstance(found.get(name), Mapping):
            found[name] = {**found[name], "loss": (losses or {}).get(name)}
    return found if fitted is None else {**found, "calibration": dict(fitted)}
