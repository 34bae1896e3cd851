"""Trackers: programs that show runs, such as TensorBoard; one file for each.

A tracker listens to the lines of metrics.jsonl, which stays the truth. It changes no bit of a run, so it is no part of
the recipe. A run may be continued with other trackers.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from cardinet.base.extras import require_libraries
from cardinet.base.recipe_parts import RecipePart

Folder = Annotated[str, AfterValidator(os.path.abspath)]
"""A folder, as an absolute path: a run may be continued from another working folder."""

Status = Literal["finished", "stopped", "failed"]
"""How the work on a run ended. One that was stopped or failed can be continued."""


@dataclass(frozen=True)
class Entry:
    """A line of metrics.jsonl for trackers, or the final result.

    `kind` is "train", the split of an evaluation, or "final". `values` are its numbers by key, such as
    "validation/error"; `time` is in seconds since 1970. No other entry has the same kind and step.
    """

    kind: str
    step: int
    values: Mapping[str, float]
    time: float

    @property
    def place(self) -> tuple[str, int]:
        return self.kind, self.step


@dataclass(frozen=True)
class Tracked:
    """A run as trackers know it.

    `identity` is the same whenever the run is continued, and that of no other run. `settings` are those of its recipe
    by dotted path, numbers as numbers; `described` is its run.toml.
    """

    identity: str
    folder: Path
    settings: Mapping[str, bool | int | float | str]
    described: str
    splits: tuple[str, ...]


class Tracking:
    """A run that is open in a tracker. All methods are called in one thread, which is not that of the training.

    Any of them may raise any exception: the run is then no longer tracked, and the user is told so.
    """

    def log(self, entry: Entry) -> None:
        """Take an entry, unless an earlier part of the run has given it already.

        All come, in the order of metrics.jsonl: first those that are there, then the new ones, then the result.
        """
        raise NotImplementedError

    def close(self, status: Status) -> None:
        """Take the end of the work. All entries must be out of this process when it returns."""


class Tracker(RecipePart):
    """A tracker with its settings. `NAME` is its usual name, `LIBRARIES` are those of its extra.

    `MODULES` are imported before its thread begins: a thread that imports while workers are forked could hold the lock
    of a module that they need.
    """

    NAME: ClassVar[str]
    LIBRARIES: ClassVar[tuple[str, ...]]
    MODULES: ClassVar[tuple[str, ...]] = ()
    EXTRA: ClassVar[str] = "watch"

    def check(self) -> None:
        """Raise RequestError if a run cannot be tracked on this machine."""
        require_libraries(f"--watch {type(self).__name__}", self.LIBRARIES, self.EXTRA)

    def load(self) -> None:
        """Import `MODULES`."""
        for name in self.MODULES:
            importlib.import_module(name)

    def open(self, run: Tracked) -> Tracking:
        """Begin to track a run, or continue to; `Tracking` says in which thread."""
        raise NotImplementedError

    def documented(self) -> dict[str, Any]:
        """The settings without those at their defaults, for run.toml."""
        return self.model_dump(mode="json", exclude_defaults=True)
