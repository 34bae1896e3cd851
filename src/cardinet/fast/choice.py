"""The choice of a runtime for a network on this machine. It is kept, so that it is measured once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

from pydantic import Field
from torch import nn

from cardinet.base import kept_choice
from cardinet.base.amounts import amount
from cardinet.base.documents import to_json
from cardinet.base.extras import PACKAGES, installed
from cardinet.base.kept_choice import KeptChoice
from cardinet.base.schemas import Document, Seconds
from cardinet.runs.computed_by import ComputedBy
from cardinet.runs.environment import hardware, versions
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.runtime import Precision

KIND, VERSION = "fast", 2

PLAIN = "eager"
"""The runtime that every network has, and whose answers in float32 are the network's."""

Milliseconds = Annotated[float, Field(gt=0)]


class Tried(Document):
    """A runtime in a precision: the median milliseconds of a batch, or the reason why it was not timed.

    `difference` is how much its logits differ from the network's (`runtimes.agreement.difference`), and `changed` the
    number of pictures of `pictures` whose most probable class is another. `preparation` is in seconds.
    """

    runtime: str
    precision: Precision
    milliseconds: Milliseconds | None = None
    preparation: Seconds | None = None
    difference: float | None = None
    changed: int | None = None
    pictures: int | None = None
    left_out: str = ""

    @property
    def name(self) -> str:
        return f"{self.runtime} in {self.precision}"


class Choice(KeptChoice):
    """What was measured on this machine, and what was chosen: the fastest that agrees with the network."""

    tried: list[Tried]
    runtime: str
    precision: Precision

    @property
    def chosen(self) -> Tried:
        """The measurement of what was chosen."""
        return next(one for one in self.tried if (one.runtime, one.precision) == (self.runtime, self.precision))

    @property
    def computed_by(self) -> ComputedBy:
        """What was chosen, as answers record it."""
        return ComputedBy(runtime=self.runtime, precision=self.precision)

    @property
    def gain(self) -> float:
        """How many times as fast as the network in eager mode and float32 the choice is."""
        plain, chosen = self._times()
        return plain / chosen

    @property
    def saved(self) -> float:
        """The seconds that the choice saves for each picture."""
        plain, chosen = self._times()
        return (plain - chosen) / 1000 / int(self.measured_for["shape"][0])

    def _times(self) -> tuple[float, float]:
        """The milliseconds of a batch in eager mode and float32, and by the choice."""
        plain = next(one for one in self.tried if (one.runtime, one.precision) == (PLAIN, "float32"))
        assert plain.milliseconds is not None
        assert self.chosen.milliseconds is not None
        return plain.milliseconds, self.chosen.milliseconds

    def sentences(self) -> tuple[str, ...]:
        """What was chosen and why, for the user."""
        timed = [one for one in self.tried if one.milliseconds is not None]
        timed.sort(key=lambda one: one.milliseconds or 0)
        times = ", ".join(f"{one.name} {one.milliseconds:.3g} ms" for one in timed)
        batch = self.measured_for["shape"][0]
        found = [f"{self.chosen.name} runs the network, as measured: a batch of {batch} took {times}."]
        if len(timed) == 1 and len(self.tried) > 1:
            reasons = "; ".join(f"{one.name}: {one.left_out}" for one in self.tried if one.left_out)
            return (f"{self.chosen.name} runs the network, because nothing else can or is as fast ({reasons}).",)
        if self.chosen.changed is not None and self.precision != "float32":
            found.append(
                f"In {self.precision} {self.chosen.changed:,} of {amount(self.chosen.pictures or 0, 'picture')} had "
                "another most probable class than in float32."
            )
        wrong = [f"{one.name}: {one.left_out}" for one in self.tried if "answers" in one.left_out]
        return (*found, *(f"Not chosen is {text}." for text in wrong))


def conditions(
    network: nn.Module,
    shape: Sequence[int],
    precisions: Sequence[Precision],
    among: Sequence[str],
    threads: int,
    device: str,
) -> dict[str, Any]:
    """What the speed depends on: the machine, the versions, the structure of the network and the shape of a batch."""
    about = hardware(device)
    structure = [repr(network), [(name, list(tensor.shape)) for name, tensor in network.state_dict().items()]]
    needed = {library for name in among for precision in precisions for library in RUNTIMES[name].needs(precision)}
    libraries = sorted(filter(installed, needed))
    return {
        "cpu": about["cpu"],
        "device": about.get("gpu", "cpu"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "network": hashlib.sha256(to_json(structure).encode()).hexdigest(),
        "shape": list(shape),
        "precisions": list(precisions),
        "among": list(among),
        "versions": {**versions(), **{name: metadata.version(PACKAGES.get(name, name)) for name in libraries}},
    }


def kept(asked: dict[str, Any]) -> Choice | None:
    """The choice that was kept for these conditions; None if there is none, or if its file is damaged."""
    return kept_choice.kept(KIND, asked, Choice, VERSION)


def keep(choice: Choice) -> None:
    """Keep a choice, if there is a cache."""
    kept_choice.keep(KIND, choice)
