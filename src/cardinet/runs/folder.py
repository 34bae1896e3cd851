"""The run folder: run.toml, metrics.jsonl, checkpoints/, model.safetensors, evaluation.json, data.json,
report.html.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from cardinet.base.documents import DocumentError, parse_toml, read_bytes
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import locked, remove_parts, sync_folder, write_atomic
from cardinet.base.schemas import Count, Document, conform
from cardinet.data.augmentations import Augmentation
from cardinet.data.data_settings import Augmentations, DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.runs.metrics import read_rows
from cardinet.runs.old_keys import with_current_keys
from cardinet.runs.toml_writer import dumps

PATIENCE = 2.0  # seconds


ABANDONED_SECONDS = 60
_OURS = re.compile(r"\.lock|run\.toml|data\.json|checkpoints|\..*\.part")
_MAKING = re.compile(r"\.cardinet-new-\d+-[0-9a-f]{8}")


class RecordedRecipe(Document, extra="allow"):
    """The entries of a run's recipe that rooms other than `train` read."""

    name: str = ""
    network: dict[str, Any] = {}
    data: DataSettings = DataSettings()
    augmentation: Augmentations = {}
    objective: dict[str, Any] = {}


class RunRecord(Document):
    """run.toml: the complete, resolved description of a run. Together with the data it determines every bit of the run.

    `draws` is the version of the augmentations' draws (`data.draws.DRAWS_VERSION`); the first runs do not state it.
    `callbacks` are the methods of a program, by class, which a resume needs again. `watch` are the trackers, which
    change no bit: a resume may have others. `ranks` is the number of processes, `launch` what their launcher calls the
    run (`ranks.launch_id`).
    """

    created: str
    command: str
    network: str
    spec: dict[str, Any]
    recipe: Annotated[dict[str, Any], AfterValidator(partial(with_current_keys, whole=True))]
    source: str
    fingerprint: str
    classes: tuple[str, ...]
    pictures: dict[str, Count]
    totals: dict[str, Count]
    skipped: tuple[str, ...] = ()
    preprocessing: Preprocessing
    steps: Count
    steps_per_epoch: Annotated[Count, Field(ge=1)]
    device: str
    precision: str
    threads: Count
    notes: tuple[str, ...] = ()
    rewrites: tuple[dict[str, Any], ...] = ()
    draws: Count = 1
    callbacks: tuple[str, ...] = ()
    watch: tuple[dict[str, Any], ...] = ()
    ranks: Annotated[Count, Field(ge=1)] = 1
    launch: str = ""
    versions: dict[str, str]
    hardware: dict[str, str]

    @property
    def augmentation(self) -> Mapping[str, Augmentation]:
        """The augmentations of its training pictures."""
        recipe: RecordedRecipe = conform(RecordedRecipe, self.recipe, "recipe.")
        return recipe.augmentation

    def moved(self, source: str) -> RunRecord:
        """The record with `source` as the new place of its pictures."""
        data = {**self.recipe.get("data", {}), "source": source}
        return self.model_copy(update={"source": source, "recipe": {**self.recipe, "data": data}})


class RunFolder:
    """The files of one run by name. Only the holder of the folder's lock may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.toml = path / "run.toml"
        self.last = path / "checkpoints" / "last.safetensors"
        self.best = path / "checkpoints" / "best.safetensors"
        self.model = path / "model.safetensors"
        self.metrics = path / "metrics.jsonl"
        self.evaluation = path / "evaluation.json"
        self.data = path / "data.json"
        self.report = path / "report.html"

    def record(self) -> RunRecord:
        """The content of run.toml. Raises RequestError if the folder is not a run, WorkError if the file is damaged."""
        if not self.path.is_dir():
            raise RequestError(f"There is no run folder {self.path}.")
        try:
            record: RunRecord = conform(RunRecord, parse_toml(read_bytes(self.toml)))
            conform(RecordedRecipe, record.recipe, "recipe.")
        except OSError:
            raise RequestError(f"{self.path} is not a run folder: it has no readable run.toml.") from None
        except DocumentError as error:
            raise WorkError(f"{self.toml} is damaged: {error}.") from None
        return record

    def write_record(self, record: RunRecord) -> None:
        write_atomic(self.toml, dumps(record.model_dump(mode="json")))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock. Raises WorkError if another process is writing this run.

        The worker processes of a killed run hold the lock for about a second, until they notice. So this method tries
        again for a while.
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

    def rows(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, without a last line that a killed run left unfinished."""
        return read_rows(self.metrics)


@contextmanager
def new_run(out: Path | None, name: str) -> Iterator[tuple[RunFolder, RunFolder]]:
    """A locked temporary folder, and the run folder that it will become.

    The caller fills the first and calls `publish`. So every existing run folder has its run.toml and a checkpoint, no
    matter when a process is killed. A folder that is not published is removed.
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
    """Give a temporary folder its final name; with `numbered` the first free `-1`, `-2`, ... is added.

    Raises RequestError if the name is taken.
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
    """Remove the folders of processes that were killed while they started.

    Such a folder has a name of `new_run`, holds only files of a run, is not locked, and is at least a minute old: a
    younger one may be about to be locked.
    """
    for folder in parent.glob(".cardinet-new-*"):
        with suppress(WorkError, OSError):
            if not _MAKING.fullmatch(folder.name) or time.time() - folder.stat().st_mtime < ABANDONED_SECONDS:
                continue
            if all(_OURS.fullmatch(entry.name) for entry in folder.iterdir()):
                with locked(folder, "in use"):
                    shutil.rmtree(folder, ignore_errors=True)
