"""Work in a forked child of this process, which has imported everything, under limits of time and memory."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20.0
BYTES = 4 * 10**9
POLL = 0.02
"""Seconds between two looks at a child."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (-N for signal N), what it printed, its time and its peak memory in bytes."""

    code: int
    out: str
    err: str
    seconds: float
    peak: int
    hung: bool
    over_memory: bool

    @property
    def traceback(self) -> bool:
        """Whether it ended by an error that nobody caught, or by a crash."""
        return "Traceback (most recent call last)" in self.err or (
            self.code < 0 and not (self.hung or self.over_memory)
        )

    @property
    def good(self) -> bool:
        """Whether it ended by itself within the limits, with words at most."""
        return not (self.traceback or self.hung or self.over_memory)


def warm() -> None:
    """Import what the commands import, with one thread: a pool of threads would not survive the fork."""
    import PIL.Image
    import pyarrow.parquet
    import sklearn.datasets
    import torch
    import torchvision

    import cardinet.cli.main
    import cardinet.cli.verbs
    import cardinet.export.job
    import cardinet.report.run_report
    import cardinet.train.job
    import cardinet.weights.upload

    torch.set_num_threads(1)
    PIL.Image.init()
    for module in (pyarrow.parquet, sklearn.datasets, torchvision, cardinet.cli.main):
        assert module


def command(words: Sequence[str], folder: Path, *, seconds: float = SECONDS, memory: int = BYTES) -> Ended:
    """`cardinet WORDS` in a working folder."""

    def work() -> int:
        from cardinet.cli.main import run

        sys.argv = ["cardinet", *words]
        run()
        return 0

    return in_child(work, folder, seconds=seconds, memory=memory)


def in_child(work: Callable[[], int | None], folder: Path, *, seconds: float = SECONDS, memory: int = BYTES) -> Ended:
    """Call `work` in a child whose working folder is `folder`; what it returns is the exit code (None: 0).

    The child and all that it has started are killed past the limits. `memory` counts the resident memory of the child
    alone, which begins with what this process has.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from Python 3.12 on
            child = os.fork()
        if child == 0:
            _become(work, folder, out.fileno(), err.fileno())
        hung = over = False
        while True:
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                break
            hung = hung or time.monotonic() - started > seconds
            over = over or resident(child) > memory
            if hung or over:
                _kill(child)
            time.sleep(POLL)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # what it left behind
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
    peak = usage.ru_maxrss * 1024
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, texts[0], texts[1], time.monotonic() - started, peak, hung, over or peak > memory)


def _become(work: Callable[[], int | None], folder: Path, out: int, err: int) -> None:
    """The child's life, from the fork to its exit; nothing of the parent's runs in it."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, standard in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(ours, standard)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.stdin = os.fdopen(0, "r", encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        code = work() or 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # as Python itself would print it
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code & 0xFF)


def resident(process: int) -> int:
    """The resident memory of a process in bytes, 0 where it has gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _kill(child: int) -> None:
    """End a child and the processes that it has started."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
