"""Trainings side by side: worker processes that each run one training at a time.

A worker has a pipe to its owner. It sends every step through it, so that it also notices at the next step that its
owner is gone. Ctrl-C on a terminal reaches the owner only: the workers have a process group of their own, and the owner
asks each of them once to save and stop.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TypeAlias

from cardinet.base.errors import CardinetError, Findings, Notice, RequestError, WorkError
from cardinet.reproduce.lab import Progress, told_of
from cardinet.reproduce.training import Training
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener, Tick

Message: TypeAlias = tuple[int, int] | CardinetError | None
"""What a worker sends: a step and the number of steps; the error of a training; None: ready for a training."""

SECONDS = 0.2
"""The shortest time between two steps that are sent."""


@dataclass(eq=False)
class Worker:
    """A worker process with its owner's end of the pipe, and its training, if it has one."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    training: Training | None = None


class Workers:
    """Up to `count` workers, which start when they are needed and end with the block."""

    def __init__(self, count: int, progress: Progress) -> None:
        self.count, self.progress = count, progress
        self.workers: list[Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        """End all workers. One in the middle of a training saves it first."""
        for worker in self.workers:
            if worker.training is not None and worker.process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGINT)
            elif not worker.ready:
                worker.process.terminate()
            else:
                worker.pipe.close()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()

    def train(self, trainings: Sequence[Training]) -> None:
        """Run trainings to their ends. After a failure no other training begins, but those that run go on.

        Raises WorkError or RequestError with the findings of all that failed, and Interrupted if a worker was stopped.
        """
        waiting, failed = list(trainings), Findings()
        while len(self.workers) < min(self.count, len(waiting)):
            self.workers.append(_started())
        while any(worker.training for worker in self.workers) or (waiting and not failed):
            for worker in self.workers:
                if worker.ready and worker.training is None and waiting and not failed:
                    worker.training = waiting.pop(0)
                    with suppress(ConnectionError):  # the process is gone, which `_hear` finds
                        worker.pipe.send(worker.training)
            awaited = [worker.pipe for worker in self.workers if worker.training or not worker.ready]
            for pipe in wait(awaited):
                try:
                    self._hear(next(worker for worker in self.workers if worker.pipe is pipe))
                except (WorkError, RequestError) as error:
                    failed.errors.append(error)
        failed.raise_if_any()

    def _hear(self, worker: Worker) -> None:
        """Take one message of a worker. Raises the error of its training, WorkError if the process is gone."""
        try:
            message: Message = worker.pipe.recv()
        except (EOFError, ConnectionError):
            worker.process.join()
            self.workers.remove(worker)
            name = "A training" if worker.training is None else f"The training of {worker.training.name}"
            raise WorkError(
                f"{name} ended with exit code {worker.process.exitcode}; perhaps there was too little memory. "
                "Use --jobs 1."
            ) from None
        training = worker.training
        if isinstance(message, tuple):
            assert training is not None
            self.progress(training.name, *message)
            return
        worker.ready, worker.training = True, None
        if isinstance(message, CardinetError):
            assert training is not None
            with told_of(training.name):
                raise message


def _started() -> Worker:
    """A new worker. It ignores Ctrl-C until it has a process group of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    theirs.close()
    return Worker(process, ours)


class _Sent(Listener):
    """Sends the steps of a training, but not too often."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.sent = pipe, 0.0

    def stepped(self, tick: Tick) -> None:
        now = time.monotonic()
        if now - self.sent >= SECONDS:
            self.sent = now
            self.pipe.send((tick.step, tick.length))


def work(pipe: Connection) -> None:
    """The life of a worker process: it runs the trainings that come through the pipe, until the pipe is closed."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore", Notice)
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):
        pipe.send(None)
        while True:
            training: Training = pipe.recv()
            try:
                training.run(_Sent(pipe))
            except CardinetError as error:
                pipe.send(error)
                if isinstance(error, Interrupted):
                    return
            else:
                pipe.send(None)
