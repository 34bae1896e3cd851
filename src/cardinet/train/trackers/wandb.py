"""Weights & Biases, online or in files for `wandb sync`."""

from __future__ import annotations

import netrc
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from cardinet.base.errors import RequestError
from cardinet.remote.reachability import head_request, unreachable
from cardinet.train.trackers import Entry, Folder, Status, Tracked, Tracker, Tracking
from cardinet.train.trackers.wandb_file import logged_numbers, wait_for_end

ADDRESS = "https://api.wandb.ai"
CLOSING, IN_USE = 60.0, 10.0
"""The most seconds that the end of a run waits for its last rows, and a start for the end of the same run."""


class WandB(Tracker):
    """Logs each line of metrics.jsonl as one row, whose number is that of the line.

    It cannot take rows back: those that a crashed run had written beyond its checkpoint stay, and are not logged again.
    A run that is continued exactly gives the same values for them, except for times.
    """

    project: str = "cardinet"
    """The project of the run."""

    name: str | None = None
    """The name of the run; none: that of its folder."""

    entity: str | None = None
    """The user or team that owns the project; none: your own."""

    group: str | None = None
    """A group of runs that belong together, such as those with several seeds; none: no group."""

    mode: Literal["online", "offline"] | None = None
    """Whether rows are sent at once, or offline, which uses no network and writes files for `wandb sync`; none: the
    environment's WANDB_MODE, else online.
    """

    folder: Folder | None = None
    """The folder that gets a folder wandb with its files; none: the run folder."""

    NAME: ClassVar[str] = "Weights & Biases"
    LIBRARIES: ClassVar[tuple[str, ...]] = ("wandb",)
    MODULES: ClassVar[tuple[str, ...]] = ("wandb", "wandb.proto.wandb_internal_pb2")

    @property
    def used_mode(self) -> str:
        """The mode that is used: the setting, else that of the environment."""
        given = os.environ.get("WANDB_MODE", "online")
        return self.mode or ("offline" if given in ("dryrun", "offline") else "online")

    def check(self) -> None:
        super().check()
        if self.used_mode == "offline":
            return
        later = 'write files for later with --watch "WandB(mode=offline)"'
        if not _has_key():
            raise RequestError(
                "--watch WandB has no key for an account: set WANDB_API_KEY, or log in once with `wandb login`, or "
                f"{later}."
            )
        # The library itself tries for minutes, and the run waits at its end.
        if reason := unreachable(head_request(_address())):
            raise RequestError(f"--watch WandB: {_address()} does not answer ({reason}); {later}.")

    def open(self, run: Tracked) -> Tracking:
        import wandb

        folder = run.folder if self.folder is None else Path(self.folder)
        opened = _begun(
            wandb.init,
            project=self.project,
            entity=self.entity,
            group=self.group,
            name=self.name or run.folder.name,
            id=run.identity,
            dir=str(folder),
            mode=self.used_mode,
            resume="allow",
            config=_nested(run.settings),
            settings=wandb.Settings(
                console="off",  # stdout is for data
                silent=True,
                disable_git=True,
                disable_code=True,
                disable_job_creation=True,
                x_disable_stats=True,
                finish_timeout=CLOSING,
                finish_timeout_raises=True,
            ),
        )
        opened.define_metric("*", step_metric="step")
        if self.used_mode == "offline":
            numbers: Collection[int] = logged_numbers(folder / "wandb", run.identity)
        else:
            numbers = range(opened.step)  # the number of rows that the server has
        return _Rows(opened, numbers)


class _Rows(Tracking):
    """An open run of W&B."""

    def __init__(self, opened: Any, arrived: Collection[int]) -> None:
        self.opened = opened
        self.arrived = arrived
        self.number = 0

    def log(self, entry: Entry) -> None:
        if self.number not in self.arrived:
            values = {**entry.values, "step": entry.step, "_timestamp": entry.time}
            self.opened.log(values, step=self.number, commit=True)
        self.number += 1

    def close(self, status: Status) -> None:
        file = self.opened.settings.sync_file
        self.opened.finish(exit_code=0 if status == "finished" else 1)
        wait_for_end(Path(file), CLOSING)


def _begun(init: Callable[..., Any], **settings: Any) -> Any:
    """An open run. One that the same process has just finished is still in use for a moment."""
    until = time.monotonic() + IN_USE
    while True:
        try:
            with _silent():
                return init(**settings)
        except Exception as error:  # its class is not public
            if "is in use" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextmanager
def _silent() -> Iterator[None]:
    """A context in which also the part of the library that looks for a key does not talk."""
    before = os.environ.get("WANDB_SILENT")
    os.environ["WANDB_SILENT"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_SILENT"]
        else:
            os.environ["WANDB_SILENT"] = before


def _nested(settings: Any) -> dict[str, Any]:
    """Settings by dotted path as a tree, which W&B shows by group."""
    tree: dict[str, Any] = {}
    for path, value in settings.items():
        *groups, name = path.split(".")
        within = tree
        for group in groups:
            within = within.setdefault(group, {})
        within[name] = value
    return tree


def _address() -> str:
    """The address of the server."""
    return os.environ.get("WANDB_BASE_URL") or ADDRESS


def _has_key() -> bool:
    """Whether there is a key, so that the library does not ask for one."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(_address()).hostname or ""
    for name in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        with suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError):
            if name and netrc.netrc(os.path.expanduser(name)).authenticators(host):
                return True
    return False
