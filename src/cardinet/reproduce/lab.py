"""The laboratory of an experiment: it trains the arms of a claim, each once, and keeps their runs in the book."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, Findings
from cardinet.networks.document import to_document
from cardinet.networks.registry import find
from cardinet.reproduce.claim import Arm, Arms
from cardinet.reproduce.scales import Scale
from cardinet.reproduce.trained import Trained
from cardinet.runs.folder import RunFolder
from cardinet.runs.results import final_results
from cardinet.train.job import resume, start
from cardinet.train.listener import Listener, Tick
from cardinet.train.request import Request, Resolved, resolve

Progress = Callable[[str, int, int], None]


class _Report(Listener):
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

    def check(self) -> None:
        """Check every arm before any work. Raises RequestError or WorkError with all findings of all arms."""
        findings = Findings()
        for name, arm in self.arms.items():
            with findings:
                try:
                    self._resolved(arm, self.seeds[0], self.book / "unused")
                except CardinetError as error:
                    raise type(error)(*(f"{name}: {finding}" for finding in error.findings)) from None
        findings.raise_if_any()

    def trained(self, name: str, seed: int) -> Trained:
        """The run of an arm with a seed: finished already, continued, or new."""
        arm = self.arms[name]
        folder = self.book / "runs" / self._key(arm, seed)
        listener = _Report(f"{name}, seed {seed}", self.progress)
        if not (folder / "run.toml").exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            run = start(self._resolved(arm, seed, folder), listener)
        elif not (run := RunFolder(folder)).evaluation.exists():
            run = resume(folder, listener)
        figures = final_results(run.evaluation).figures()["test"]
        return Trained(run, float(figures["error"]), float(figures["loss"]))

    def settings(self, arm: Arm, seed: int) -> dict[str, Any]:
        """The settings of a training, by dotted path."""
        spec = find(arm.network).spec if isinstance(arm.network, str) else arm.network
        if arm.delta:
            spec = spec.but(**arm.delta)
        described = {"network.id": arm.network if isinstance(arm.network, str) else "claim"}
        described |= {"network.spec": to_document(spec)}
        scale = {key: value for key, value in self.scale.settings.items() if key != "recipe"}
        return {**described, "data.source": self.source, **scale, **arm.settings, "machine.seed": seed}

    def _resolved(self, arm: Arm, seed: int, folder: Path) -> Resolved:
        settings = tuple(self.settings(arm, seed).items())
        return resolve(Request(recipe=str(self.scale.settings["recipe"]), settings=settings, out=folder), Listener())

    def _key(self, arm: Arm, seed: int) -> str:
        """The name of a run's folder: the network, and a hash of all that the run depends on."""
        settings = self.settings(arm, seed) | {"recipe": self.scale.settings["recipe"]}
        text = json.dumps(settings, sort_keys=True, default=str)
        name = arm.network if isinstance(arm.network, str) else type(arm.network).__name__
        return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def macs_and_parameters(arms: Mapping[str, Arm], side: int) -> dict[str, tuple[int, int]]:
    """The exact MACs and parameters of each arm, for pictures with this side."""
    from cardinet.measure.counts import count_spec

    found = {}
    for name, arm in arms.items():
        spec = find(arm.network).spec if isinstance(arm.network, str) else arm.network
        counts = count_spec(spec.but(**arm.delta) if arm.delta else spec, side)
        found[name] = (counts.macs, counts.params)
    return found
