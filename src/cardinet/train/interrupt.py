"""Stopping a run from outside: the step is finished, everything is saved, and the user is told how to go on."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from cardinet.base.errors import CardinetError

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(CardinetError):
    """The user stopped the run after its state was saved (exit code 130)."""

    exit_code = 130


class _WaitEnded(BaseException):
    """Ends a wait. No Exception, so that nothing on the way takes it for an error of its own."""


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a request that the loop looks at after each step.

    Where the loop waits for pictures (`awaited`), nothing is half done, and the wait ends at once: they may never come.
    A second Ctrl-C stops anywhere; the last checkpoint is then what a resume starts from.
    """

    def __init__(self, say: Callable[[str], None] = lambda text: None) -> None:
        self.asked = False
        self._waits = False
        self.say = say
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            before = self._before[signal.SIGINT]
            (before if callable(before) else signal.default_int_handler)(number, frame)
            return
        self.asked = True
        with suppress(RuntimeError):  # a signal may come while something else is being written
            self.say("Stopping after this step; Ctrl-C again stops at once.")
        if self._waits:
            raise _WaitEnded

    def awaited(self, stream: Iterator[T]) -> T | None:
        """The next item of a stream; None where the user asks to stop before it is there."""
        try:
            self._waits = True
            item = next(stream)
            self._waits = False
        except _WaitEnded:
            return None
        finally:
            self._waits = False
        return item

    def leave(self, folder: Path, step: int, length: int) -> None:
        """Leave the run, which has been saved at `step`."""
        go_on = f"cardinet train --resume {shlex.quote(str(folder))}"
        raise Interrupted(f"Stopped after step {step} of {length}; saved. Go on with: {go_on}")
