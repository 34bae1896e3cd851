"""A training by processes of Ray: the same run as by torchrun, with the same bits for the same number of processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from cardinet.base.errors import CardinetError, Findings
from cardinet.base.settings import parse_assignments
from cardinet.data.kinds import absolute
from cardinet.engines.engine import Tell
from cardinet.engines.ray_ranks import run_ranks
from cardinet.engines.ray_session import default_processes, on_a_cluster
from cardinet.runs.endings import ProcessLost
from cardinet.runs.environment import require_one_process
from cardinet.runs.folder import RunFolder, RunRecord
from cardinet.runs.ranks import Ranks
from cardinet.train.callbacks import require_same
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import is_finished, resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.methods import Method
from cardinet.train.processes import connected_for, resolve_for, train
from cardinet.train.record import task_of
from cardinet.train.request import Request, Resolved
from cardinet.train.trackers import Tracker
from cardinet.train.watching import trackers_of

SECONDS = 0.2
"""The shortest time between two steps that are told."""

Announce = Callable[[Resolved], str]
"""A sentence on a run that begins; a function of a module, as it goes to other processes."""


def train_on_ray(
    request: Request, listener: Listener, processes: int | None, announce: Announce | None = None
) -> RunFolder:
    """Run a request to its end, by default by one process for each processor or GPU of this machine.

    Raises RequestError or WorkError with all findings, and Interrupted if the user stops it.
    """
    require_one_process()
    gpus = _asks_for_gpus(request)
    count = processes or default_processes(int(gpus))
    if not on_a_cluster():
        resolve_for(request, Listener(), Ranks(count=count, here=count))
    return _run(partial(_begin, request, announce), request.out, listener, count, gpus)


def resume_on_ray(
    folder: Path,
    listener: Listener,
    processes: int | None,
    data: str | None = None,
    watch: Sequence[str | Tracker] | None = None,
    callbacks: Sequence[Method] = (),
) -> RunFolder:
    """Continue a run from its last checkpoint, bit for bit, by as many processes as it began with."""
    require_one_process()
    record = RunFolder(folder).record()
    count = processes or record.ranks
    if not on_a_cluster():
        _check_continued(RunFolder(folder), record, Ranks(count=count, here=count), data, watch, callbacks)
    return _run(
        partial(_go_on, folder, data, watch, callbacks), folder, listener, count, record.device.startswith("cuda")
    )


def _check_continued(
    folder: RunFolder,
    record: RunRecord,
    ranks: Ranks,
    data: str | None,
    watch: Sequence[str | Tracker] | None,
    callbacks: Sequence[Method],
) -> None:
    """Raise CardinetError with all findings on a run that is to be continued by other processes of this machine."""
    findings, finished = Findings(), False
    with findings:
        finished = is_finished(folder, record)
    with findings:
        trackers_of(watch or ())
    if not finished:
        with findings:
            require_same(record.callbacks, callbacks)
        with findings:
            task_of(record if data is None else record.moved(absolute(data)), folder, ranks)
    findings.raise_if_any()


def _run(work: Callable[[Listener], str], out: Path | None, listener: Listener, count: int, gpus: bool) -> RunFolder:
    def heard(told: tuple[str, tuple[Any, ...]]) -> None:
        event, about = told
        getattr(listener, event)(*about)

    try:
        return RunFolder(Path(run_ranks(partial(_work, work, os.getcwd()), count, gpus=gpus, heard=heard)))
    except KeyboardInterrupt:
        if out is None or not (out / "run.toml").exists():
            raise
        again = f"cardinet train --resume {quote(str(out))} --engine ray --processes {count}"
        raise Interrupted(f"Stopped at once; what was saved before is intact. Continue with: {again}") from None


def _asks_for_gpus(request: Request) -> bool:
    """Whether a run will be on GPUs, as far as its request says it."""
    import torch

    asked = [*request.settings, *parse_assignments(list(request.assignments)).items()]
    named = [value for key, value in asked if key in ("machine.device", "device")]
    return torch.cuda.is_available() and "cpu" not in named


def _work(work: Callable[[Listener], str], place: str, tell: Tell) -> str | CardinetError:
    """The work of one process: the folder of the run, or the error that ends it. Raises if another process was lost."""
    with suppress(OSError):  # another machine may not have this folder
        os.chdir(place)
    try:
        return work(_Told(tell))
    except ProcessLost:
        raise
    except CardinetError as error:
        return error


def _begin(request: Request, announce: Announce | None, listener: Listener) -> str:
    def begins(resolved: Resolved) -> None:
        if announce is not None:
            shown.said(announce(resolved))

    with connected_for(request.out) as ranks:
        shown = listener if ranks.leads else Listener()
        return str(train(request, shown, ranks, begins).path)


def _go_on(
    folder: Path,
    data: str | None,
    watch: Sequence[str | Tracker] | None,
    callbacks: Sequence[Method],
    listener: Listener,
) -> str:
    with connected_for(folder) as ranks:
        shown = listener if ranks.leads else Listener()
        return str(resume(folder, shown, data, callbacks, ranks, watch).path)


class _Told(Listener):
    """Tells the events of a run, but steps not too often."""

    def __init__(self, tell: Tell) -> None:
        self.tell, self.last = tell, 0.0

    def said(self, text: str) -> None:
        self.tell(("said", (text,)))

    def progress(self, what: str, done: int, total: int) -> None:
        if self._due():
            self.tell(("progress", (what, done, total)))

    def stepped(self, tick: Tick) -> None:
        if self._due():
            self.tell(("stepped", (tick,)))

    def logged(self, row: dict[str, Any]) -> None:
        self.tell(("logged", (row,)))

    def _due(self) -> bool:
        now = time.monotonic()
        due = now - self.last >= SECONDS
        self.last = now if due else self.last
        return due
