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
"""Seconds after the first Ctrl-C in which another one does nothing."""


class Stop:
    """The first Ctrl-C ends the work with KeyboardInterrupt. For `PATIENCE` seconds another one does nothing.

    A later Ctrl-C ends the process at once, because the first end has hung. After the block the work is done, and the
    interpreter still has to end; a Ctrl-C does nothing then.
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

    `sys.exit` is not enough. Dataclasses call `exec` during an import. After a Ctrl-C inside `exec`, Python takes it as
    not handled and ends with the signal instead of the code (3 of 50 tries; 0 of 80 with this function).
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or nobody reads it
            stream.flush()
    os._exit(code)
