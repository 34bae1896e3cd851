"""The laboratory of an experiment: it trains the arms of a claim, each once, and keeps their runs in the book."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError
from cardinet.data.source import open_source
from cardinet.networks.document import to_document
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec
from cardinet.reproduce.claim import Arm, Arms
from cardinet.reproduce.scales import Scale
from cardinet.reproduce.trained import Trained
from cardinet.reproduce.training import Training
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener, Tick
from cardinet.train.request import Opener

Progress = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """No progress is shown."""


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Put a name before the findings of errors."""
    try:
        yield
    except Interrupted:
        raise
    except CardinetError as error:
        raise type(error)(*(f"{name}: {finding}" for finding in error.findings)) from None


class Steps(Listener):
    """Passes the steps of a training on."""

    def __init__(self, what: str, progress: Progress) -> None:
        self.what, self.pass_on = what, progress

    def stepped(self, tick: Tick) -> None:
        self.pass_on(self.what, tick.step, tick.length)


class Laboratory:
    """Trains the arms of one claim at one scale. Arms of several claims that are the same training are one run."""

    def __init__(
        self, scale: Scale, arms: Arms, seeds: Sequence[int], book: Path, source: str | None, progress: Progress
    ) -> None:
        self.scale, self.arms, self.seeds = scale, arms, tuple(seeds)
        self.book, self.source, self.progress = book, source or scale.source, progress

    def faults(self, opener: Opener = open_source) -> Iterator[tuple[str, CardinetError]]:
        """Check every arm that was not started: the name of each that cannot be trained, and why."""
        for name in self.arms:
            training = self.training(name, self.seeds[0])
            if not training.started:
                try:
                    training.resolved(opener)
                except CardinetError as error:
                    yield name, error

    def trained(self, name: str, seed: int) -> Trained:
        """The run of an arm with a seed: finished already, continued, or new."""
        training = self.training(name, seed)
        training.run(Steps(training.name, self.progress))
        return training.trained()

    def unfinished(self) -> list[Training]:
        """The trainings of all arms and seeds that are not finished; the same one only once."""
        trainings = (self.training(name, seed) for seed in self.seeds for name in self.arms)
        return list({training.folder: training for training in trainings if not training.finished}.values())

    def training(self, name: str, seed: int) -> Training:
        """The training of an arm with a seed."""
        arm = self.arms[name]
        recipe, settings = str(self.scale.settings["recipe"]), self.settings(arm, seed)
        text = json.dumps(settings | {"recipe": recipe}, sort_keys=True, default=str)
        network = arm.network if isinstance(arm.network, str) else type(arm.network).__name__
        folder = self.book / "runs" / f"{network}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        return Training(f"{name}, seed {seed}", folder, recipe, settings)

    def settings(self, arm: Arm, seed: int) -> dict[str, Any]:
        """The settings of a training, by dotted path."""
        described = {"network.id": arm.network if isinstance(arm.network, str) else "claim"}
        described |= {"network.spec": to_document(described_network(arm))}
        scale = {key: value for key, value in self.scale.settings.items() if key != "recipe"}
        return {**described, "data.source": self.source, **scale, **arm.settings, "machine.seed": seed}


def described_network(arm: Arm) -> NetworkSpec:
    """The description of an arm's network, before it has the channels and classes of the pictures."""
    spec = find(arm.network).spec if isinstance(arm.network, str) else arm.network
    return spec.but(**arm.delta) if arm.delta else spec
