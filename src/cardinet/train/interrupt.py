"""Stop a run from outside: finish the step, save everything, and tell the user how to continue."""

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
    """Ends a wait. It is not an Exception, so that no other code catches it as its own error."""


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a request that the loop checks after each step.

    While the loop waits for pictures (`awaited`), no step is in progress, so the wait ends at once: the pictures may
    never come. A second Ctrl-C stops anywhere; a resume then starts from the last checkpoint.
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
        with suppress(RuntimeError):  # the signal may come during another write
            self.say("Stopping after this step; Ctrl-C again stops at once.")
        if self._waits:
            raise _WaitEnded

    def awaited(self, stream: Iterator[T]) -> T | None:
        """The next item of a stream; None if the user asks to stop before it arrives."""
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
        """Raise Interrupted for a run that has been saved at `step`."""
        go_on = f"cardinet train --resume {shlex.quote(str(folder))}"
        raise Interrupted(f"Stopped after step {step} of {length}; saved. Continue with: {go_on}")
