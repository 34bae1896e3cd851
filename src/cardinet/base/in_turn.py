"""Work beside the main thread: one piece after the other, in the order in which it was given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class InTurn:
    """Does pieces of work in a thread of its own. After a piece has failed, those that wait are dropped.

    The thread starts with the first piece. Python waits for it before it ends.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="in-turn")
        self._given: deque[Future[None]] = deque()
        self._error: Exception | None = None

    def give(self, work: Callable[[], None]) -> None:
        """Do `work` after all that was given before. Raises the error of an earlier piece that has failed."""
        self.check()
        self._given.append(self._thread.submit(self._do, work))

    @property
    def busy(self) -> bool:
        """Whether something is not done yet."""
        return any(not piece.done() for piece in self._given)

    def check(self) -> None:
        """Raise the error of a piece that has failed."""
        if self._error is not None:
            self.wait()

    def wait(self) -> None:
        """Wait until everything is done. Raises the error of the first piece that has failed."""
        while self._given:
            self._given[0].result()
            self._given.popleft()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self) -> None:
        """Wait until everything is done, where another error ends the work already. It raises nothing."""
        try:
            self.wait()
        except Exception:
            return

    def _do(self, work: Callable[[], None]) -> None:
        if self._error is None:
            try:
                work()
            except Exception as error:
                self._error = error
