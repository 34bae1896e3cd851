"""Rewrite a model: apply and prove each rewrite, then write the new model."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from cardinet.build.meta import on_meta
from cardinet.measure.counts import count
from cardinet.measure.timing import time_in_turn
from cardinet.networks.registry import named_network
from cardinet.rewrite.proof import Proven, prove
from cardinet.rewrite.steps import Step
from cardinet.rewriting.request import Asked, Prepared
from cardinet.runs.model_file import Model, save_model

SECONDS = 2.0
"""The time for measuring both networks in turn."""


@dataclass(frozen=True)
class Figures:
    """The counts and the latency of a network, before or after."""

    params: int
    macs: int
    milliseconds: float


@dataclass(frozen=True, eq=False)
class Rewritten:
    """The written model, its proven steps, its figures before and after, and notes for the user."""

    path: Path
    model: Model
    steps: tuple[Proven, ...]
    before: Figures
    after: Figures
    notes: tuple[str, ...]

    def to_document(self) -> dict[str, Any]:
        """Plain data."""
        steps = [one.to_document() for one in self.steps]
        return {"model": str(self.path), "steps": steps, "before": asdict(self.before), "after": asdict(self.after)}


def rewrite(
    prepared: Prepared, out: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Rewritten:
    """Apply and prove each step, then write the file.

    Raises WorkError, and writes nothing, if a step changes the function.
    """
    before, real, side = prepared.model, prepared.pictures, prepared.model.preprocessing.crop
    network, found = before.network, []
    for i, step in enumerate(prepared.steps):
        found.append(prove(network, step, partial(real.of, side=side), real.typical))
        network = found[-1].network
        progress(i + 1, len(prepared.steps))
    after = described(before, network, prepared.asked, prepared.steps)
    first, second = _figures(before, after)
    save_model(out, after)
    notes = (one.kind.note(one.value, before) for one in prepared.asked)
    return Rewritten(out, after, tuple(found), first, second, tuple(note for note in notes if note))


def described(before: Model, network: nn.Module, asked: Sequence[Asked], steps: Sequence[Step]) -> Model:
    """A rewritten network as a model, with new class names, preprocessing and training summary where they change.

    With other classes or channels the measured error is not that of the new model; the summary then keeps it under
    `before`. A deeper or wider model computes the same, so only the name of its network changes.
    """
    training: dict[str, Any] = dict(before.training)
    for one in asked:
        training = dict(one.kind.summary(training))
    if any(one.kind.grows for one in asked):
        row = named_network(cast(Any, network).spec)
        training["network"] = "custom" if row is None else row.id
    if any(one.kind.relearns for one in asked):
        was = {"classes": list(before.classes), "channels": before.preprocessing.channels, **before.training}
        training = {"network": training.get("network", "custom"), "before": was}
    fields: dict[str, Any] = {"training": training}
    for one in asked:
        fields |= one.kind.changes(one.value, before)
    return dataclasses.replace(before, network=network, rewrites=(*before.rewrites, *steps), **fields)


def _figures(before: Model, after: Model) -> tuple[Figures, Figures]:
    """The counts of both, and the median milliseconds for one picture, measured in turn."""
    models = {"before": before, "after": after}
    sides = {when: (one.preprocessing.channels, one.preprocessing.crop) for when, one in models.items()}
    pixels = {when: torch.randn(1, channels, side, side) for when, (channels, side) in sides.items()}
    calls = {when: partial(one.network.eval(), pixels[when]) for when, one in models.items()}
    with torch.inference_mode():
        times = time_in_turn(calls, seconds=SECONDS, most=200)
    found = []
    for when, one in models.items():
        counts = count(on_meta(one.network), sides[when][1], sides[when][0])
        found.append(Figures(counts.params, counts.macs, statistics.median(times[when])))
    return found[0], found[1]
