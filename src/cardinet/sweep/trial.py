"""One trial of a sweep: a run with settings of its own, begun, continued or finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.engines.engine import Tell, Work
from cardinet.runs.environment import versions
from cardinet.runs.folder import RunFolder
from cardinet.sweep.stopping import StopBadTrial
from cardinet.sweep.sweep_file import SweepFile
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume, start
from cardinet.train.listener import Listener, Tick
from cardinet.train.request import Opener, Request, Resolved, resolve


@dataclass(frozen=True)
class Trial:
    """A trial of a sweep: its number, the folder of its run, and its own settings by key.

    `threads` is the number of threads of a run that is started, if the settings do not say it.
    """

    number: int
    folder: Path
    file: SweepFile
    values: Mapping[str, Any]
    threads: int | None = None

    @property
    def methods(self) -> tuple[StopBadTrial, ...]:
        """What looks at the other trials, if there is a rule."""
        rule = self.file.stopping
        if rule is None:
            return ()
        return (StopBadTrial(rule=rule, metric=self.file.metric, folder=str(self.folder)),)

    @property
    def request(self) -> Request:
        """The request for its run."""
        pairs = (*self.file.fixed(), *self.values.items())
        if self.threads is not None and not any(key.rpartition(".")[2] == "threads" for key, _ in pairs):
            pairs += (("machine.threads", self.threads),)
        return Request(
            network=self.file.network,
            recipe=self.file.recipe,
            settings=pairs,
            weights=self.file.weights,
            out=self.folder,
            command="cardinet sweep",
            callbacks=self.methods,
        )

    def resolved(self, opener: Opener = open_source) -> Resolved:
        """Check a trial that was not started. Raises RequestError or WorkError with all findings."""
        return resolve(self.request, Listener(), opener)

    def run(self, listener: Listener, opener: Opener = open_source) -> None:
        """Train to the end: from the last checkpoint, or from the beginning. A finished run stays as it is."""
        if RunFolder(self.folder).toml.exists():
            resume(self.folder, listener, callbacks=self.methods)
        else:
            start(self.resolved(opener), listener)


class _Told(Listener):
    """Tells the share of the steps that are done."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def stepped(self, tick: Tick) -> None:
        self.tell(tick.step / tick.length)


def begin() -> Work[Trial, tuple[str, ...]]:
    """What runs trials in one process. It opens pictures that several trials have in common once."""
    keep: dict[tuple[str, str], Source] = {}

    def opener(text: str, settings: DataSettings) -> Source:
        key = (text, settings.model_dump_json())
        if key not in keep:
            keep.clear()  # one at a time
            keep[key] = open_source(text, settings)
        return keep[key]

    return _Runner(opener)


@dataclass(frozen=True)
class _Runner:
    opener: Callable[[str, DataSettings], Source]

    def __call__(self, trial: Trial, tell: Tell) -> tuple[str, ...]:
        """Run a trial. Returns why it failed, or nothing. Raises Interrupted if the user stops it."""
        try:
            trial.run(_Told(tell), self.opener)
        except Interrupted:
            raise
        except CardinetError as error:
            return error.findings
        return ()


def written_by() -> dict[str, str]:
    """The versions that a result names."""
    return versions()
