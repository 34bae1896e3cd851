"""Ctrl-C during the whole life of a command."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

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
