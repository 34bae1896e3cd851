"""Trackio, in its database on this machine, which `trackio show` shows."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

from cardinet.base.errors import RequestError
from cardinet.train.trackers import Entry, Status, Tracked, Tracker, Tracking

ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")
"""Variables that send runs to another machine, whose rows this one cannot read."""


class Trackio(Tracker):
    """Logs the values of each line of metrics.jsonl at its step.

    When a run is continued, the database is asked for the rows that it has, and gets the others. Those that a crashed
    run had written beyond its checkpoint stay. A run that is continued exactly gives the same values for them, except
    for times. `trackio sync` sends a project to a Space of the Hugging Face Hub.
    """

    project: str = "cardinet"
    """The project of the run."""

    name: str | None = None
    """The name of the run, to which a number is added, as Trackio tells runs apart by their names; none: that of its
    folder.
    """

    NAME: ClassVar[str] = "Trackio"
    LIBRARIES: ClassVar[tuple[str, ...]] = ("trackio",)
    MODULES: ClassVar[tuple[str, ...]] = ("trackio", "trackio.sqlite_storage")
    EXTRA: ClassVar[str] = "trackio"

    def check(self) -> None:
        super().check()
        if set_ := [name for name in ELSEWHERE if os.environ.get(name)]:
            raise RequestError(
                f"--watch Trackio writes to the database of this machine, and {set_[0]} is set; unset it, and send the "
                "project there with `trackio sync` afterwards."
            )

    def load(self) -> None:
        with _silent():
            super().load()

    def open(self, run: Tracked) -> Tracking:
        import trackio

        with _silent():
            name = f"{self.name or run.folder.name}-{run.identity[:8]}"
            arrived = _places(self.project, name)
            opened = trackio.init(
                project=self.project,
                name=name,
                config=dict(run.settings),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return _Rows(opened, arrived)


class _Rows(Tracking):
    """An open run of Trackio."""

    def __init__(self, opened: Any, arrived: set[tuple[str, int]]) -> None:
        self.opened = opened
        self.arrived = arrived

    def log(self, entry: Entry) -> None:
        if entry.place not in self.arrived:
            self.opened.log(dict(entry.values), step=entry.step)

    def close(self, status: Status) -> None:
        with _silent():
            self.opened.finish()


def _places(project: str, name: str) -> set[tuple[str, int]]:
    """The places of the entries that the database has: each has an epoch."""
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs(project, name)
    return {
        (key.removesuffix("/epoch"), int(row["step"])) for row in rows for key in row if str(key).endswith("/epoch")
    }


class _OfOthers:
    """stdout without what one thread writes: Trackio prints where the command prints its data."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.thread = threading.get_ident()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self.thread else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with contextlib.redirect_stdout(_OfOthers(sys.stdout)):
        yield
