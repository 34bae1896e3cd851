"""A process for one contender: it does jobs that come through a pipe, one at a time, and sleeps between them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from cardinet.bench.work import Unable

Job: TypeAlias = Callable[[dict[str, Any]], Any]
"""A function that can be sent. It gets what earlier jobs of this process have kept."""

LIMIT = 600.0
"""The seconds after which a job counts as stuck."""


@dataclass(frozen=True)
class Failed:
    """What a worker sends of a job that has failed: the reason, without a full stop."""

    reason: str


class Worker:
    """A process with `threads` threads, which ends with the block."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, threads), daemon=True)
        self.process.start()
        theirs.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process, whatever it does."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()

    def ask(self, job: Job) -> Any:
        """The result of a job. Raises Unable with the reason if it fails, or if the process is gone or stuck."""
        try:
            self.pipe.send(job)
            if not self.pipe.poll(LIMIT):
                raise Unable(f"it was not done after {LIMIT:.0f} s")
            answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode
            raise Unable(f"its process ended with exit code {code}; perhaps there was too little memory") from None
        if isinstance(answer, Failed):
            raise Unable(answer.reason)
        return answer


def work(pipe: Connection, threads: int) -> None:
    """The life of a worker. Libraries may print what they like: it goes nowhere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which ends this one
    os.environ["OMP_NUM_THREADS"] = str(threads)
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    kept: dict[str, Any] = {}
    with suppress(EOFError, ConnectionError):
        while True:
            job: Job = pipe.recv()
            pipe.send(_done(job, kept))


def _done(job: Job, kept: dict[str, Any]) -> Any:
    """The result of a job, or why it has failed: contenders may raise anything."""
    try:
        return job(kept)
    except Unable as error:
        return Failed(str(error))
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines()]
        first = next(filter(None, lines), "no reason given").rstrip(".")
        return Failed(f"{type(error).__name__}: {first:.200}")
