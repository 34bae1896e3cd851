"""Ctrl-C during the whole life of a command."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

PATIENCE = 2.0
"""Seconds in which what has begun to end is not disturbed by another Ctrl-C."""


class Stop:
    """The first Ctrl-C ends the work, as KeyboardInterrupt. Further ones, of an impatient user, do nothing at first.

    One that comes later than `PATIENCE` leaves at once: what ends then hangs. At the end of the block the work is done,
    and only the interpreter is left to be ended; nothing interrupts that.
    """

    def __init__(self) -> None:
        self.since: float | None = None

    @property
    def asked(self) -> bool:
        return self.since is not None

    def __enter__(self) -> Stop:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a shell
            signal.signal(signal.SIGINT, self.hear)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def hear(self, number: int, frame: FrameType | None) -> None:
        if self.since is None:
            self.since = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self.since > PATIENCE:
            os._exit(130)


def leave(code: int) -> NoReturn:
    """End the process with an exit code after a Ctrl-C that was handled; the exit functions run.

    `sys.exit` is not enough. If the Ctrl-C came inside `exec`, as dataclasses use it in an import, Python remembers it
    as not handled, and ends by the signal instead of with the code (3 of 50 tries; 0 of 80 with this).
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or nobody reads it
            stream.flush()
    os._exit(code)
