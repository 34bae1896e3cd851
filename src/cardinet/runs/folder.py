"""The run folder: run.toml, metrics.jsonl, checkpoints/, model.safetensors, evaluation.json, data.json,
report.html.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import locked, remove_parts, sync_folder, write_atomic
from cardinet.base.settings import Settings, validate
from cardinet.runs.toml import dumps

PATIENCE = 2.0  # seconds


ABANDONED_SECONDS = 60
_OURS = re.compile(r"\.lock|run\.toml|data\.json|checkpoints|\..*\.part")
_MAKING = re.compile(r"\.cardinet-new-\d+-[0-9a-f]{8}")


class RunRecord(Settings):
    """run.toml: the complete, resolved description of a run; with the data it determines every bit of it."""

    created: str
    command: str
    network: str
    spec: dict[str, Any]
    recipe: dict[str, Any]
    source: str
    fingerprint: str
    classes: tuple[str, ...]
    pictures: dict[str, int]
    totals: dict[str, int]
    skipped: tuple[str, ...] = ()
    preprocessing: dict[str, Any]
    steps: int
    steps_per_epoch: int
    device: str
    precision: str
    threads: int
    notes: tuple[str, ...] = ()
    rewrites: tuple[dict[str, Any], ...] = ()
    versions: dict[str, str]
    hardware: dict[str, str]

    def moved(self, source: str) -> RunRecord:
        """The same with its pictures in another place."""
        data = {**self.recipe.get("data", {}), "source": source}
        return self.model_copy(update={"source": source, "recipe": {**self.recipe, "data": data}})


class RunFolder:
    """The files of one run by name; whoever writes holds the operating system's lock on the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "checkpoints" / "last.safetensors"
        self.best = path / "checkpoints" / "best.safetensors"
        self.model = path / "model.safetensors"
        self.metrics = path / "metrics.jsonl"
        self.evaluation = path / "evaluation.json"
        self.data = path / "data.json"
        self.report = path / "report.html"

    def record(self) -> RunRecord:
        """What run.toml says. Raises RequestError when the folder is no run, WorkError when the file is damaged."""
        if not self.path.is_dir():
            raise RequestError(f"There is no run folder {self.path}.")
        try:
            text = (self.path / "run.toml").read_bytes()
        except OSError:
            raise RequestError(f"{self.path} is no run folder: it has no readable run.toml.") from None
        try:
            return validate(RunRecord, tomllib.loads(text.decode()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RequestError) as error:
            raise WorkError(f"{self.path}/run.toml is damaged: {str(error).splitlines()[0].rstrip('.')}.") from None

    def write_record(self, record: RunRecord) -> None:
        write_atomic(self.path / "run.toml", dumps(record.model_dump(mode="json")))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock. Raises WorkError when another process is writing this run.

        The worker processes of a run that was killed hold it until they notice, about a second; so it is asked
        for again for a while.
        """
        message = f"{self.path} is being written by another process; wait for it or stop it."
        end = time.monotonic() + PATIENCE
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locked(self.path, message))
                    break
                except WorkError:
                    if time.monotonic() >= end:
                        raise
                    time.sleep(0.05)
            remove_parts(self.path)
            remove_parts(self.path / "checkpoints")
            yield

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl. Raises WorkError when the disk refuses."""
        try:
            with open(self.metrics, "a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise WorkError(f"{self.metrics} could not be written: {error.strerror}. Resume when it can.") from error

    def metrics_bytes(self) -> int:
        """The length of metrics.jsonl, flushed to disk, so that a checkpoint can refer to it.

        Raises WorkError when the disk refuses.
        """
        if not self.metrics.exists():
            return 0
        try:
            with open(self.metrics, "r+b") as file:
                os.fsync(file.fileno())
                return file.seek(0, os.SEEK_END)
        except OSError as error:
            raise WorkError(f"{self.metrics} could not be written: {error.strerror}. Resume when it can.") from error

    def cut_metrics(self, length: int) -> None:
        """Cut metrics.jsonl back to a checkpoint's length. Raises WorkError when it is shorter than that."""
        if length == 0 and not self.metrics.exists():
            return
        with open(self.metrics, "r+b") as file:
            if file.seek(0, os.SEEK_END) < length:
                raise WorkError(f"{self.metrics} is shorter than its checkpoint says; the run cannot be continued.")
            file.truncate(length)

    def rows(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line that a killed run left unfinished is not counted."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text().split("\n")[:-1]
        try:
            return [json.loads(line) for line in lines]
        except json.JSONDecodeError as error:
            raise WorkError(f"{self.metrics} is damaged: {error}.") from None


@contextmanager
def new_run(out: Path | None, name: str) -> Iterator[tuple[RunFolder, RunFolder]]:
    """A locked folder in the making, and the folder that it will be.

    The caller fills the first and calls `publish`; so a run folder that exists always has its run.toml and a
    checkpoint, whenever a process is killed. What was not published is removed.
    """
    parent = out.parent if out is not None else Path("runs")
    making = parent / f".cardinet-new-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        (making / "checkpoints").mkdir(parents=True)
    except OSError as error:
        raise RequestError(f"No run folder can be made in {parent}: {error.strerror}.") from None
    try:
        with locked(making, f"{making} is being written by another process."):
            yield RunFolder(making), RunFolder(out if out is not None else parent / name)
    finally:
        if making.exists():
            shutil.rmtree(making, ignore_errors=True)


def publish(making: RunFolder, target: RunFolder, numbered: bool) -> RunFolder:
    """Give a folder in the making its name; a `numbered` one takes the first free `-1`, `-2`, ...

    Raises RequestError when the name is taken.
    """
    number = 0
    while True:
        number += 1
        path = target.path.with_name(f"{target.path.name}-{number}") if numbered else target.path
        try:
            if path.exists():
                raise OSError(errno.EEXIST, "exists")
            os.rename(making.path, path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise WorkError(f"{path} could not be made: {error.strerror}.") from error
            if not numbered:
                raise RequestError(f"{path} exists; give --out a folder that does not.") from None
            continue
        sync_folder(path.parent)
        return RunFolder(path)


def _remove_abandoned(parent: Path) -> None:
    """Remove what processes that were killed while they started have left.

    That is a folder with the name that `new_run` gives, nothing but its files in it, a minute old (a younger one
    may be about to be locked) and not locked.
    """
    for folder in parent.glob(".cardinet-new-*"):
        with suppress(WorkError, OSError):
            if not _MAKING.fullmatch(folder.name) or time.time() - folder.stat().st_mtime < ABANDONED_SECONDS:
                continue
            if all(_OURS.fullmatch(entry.name) for entry in folder.iterdir()):
                with locked(folder, "in use"):
                    shutil.rmtree(folder, ignore_errors=True)
