"""A training of the book: what a process needs to run it, to continue it, or to see that it is finished."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.source import open_source
from cardinet.reproduce.trained import Trained
from cardinet.runs.folder import RunFolder
from cardinet.runs.results import final_results
from cardinet.train.job import resume, start
from cardinet.train.listener import Listener
from cardinet.train.request import Opener, Request, Resolved, resolve


@dataclass(frozen=True)
class Training:
    """A training: its name for people, the folder of its run, its recipe, and the settings by dotted path."""

    name: str
    folder: Path
    recipe: str
    settings: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        run = RunFolder(self.folder)
        return run.evaluation.exists() and run.model.exists()

    @property
    def started(self) -> bool:
        return (self.folder / "run.toml").exists()

    def resolved(self, opener: Opener = open_source) -> Resolved:
        """Check a training that was not started. Raises RequestError or WorkError with all findings."""
        request = Request(recipe=self.recipe, settings=tuple(self.settings.items()), out=self.folder)
        return resolve(request, Listener(), opener)

    def run(self, listener: Listener) -> None:
        """Train to the end: from the last checkpoint, or from the beginning. A finished training is not run again.

        The book keeps no checkpoint of a finished run; they would be most of its bytes. Raises WorkError if another
        process runs it.
        """
        if self.finished:
            return
        if self.started:
            resume(self.folder, listener)
        else:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                start(self.resolved(), listener)
            except RequestError:
                if not self.folder.exists():
                    raise
                raise WorkError(f"{self.folder} is being written by another process; wait for it or stop it.") from None
        shutil.rmtree(self.folder / "checkpoints")

    def trained(self) -> Trained:
        """The finished run. Raises WorkError if a file of it is damaged."""
        run = RunFolder(self.folder)
        return Trained(run, float(final_results(run.evaluation).figures()["test"]["error"]))
