"""Errors that a user can act on, and the collector that reports all of them at once."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence
from types import TracebackType

EVERY_SETTING = " `cardinet settings` lists all."
"""The end of a finding about an unknown setting or part. `once` keeps it only in the last of several findings."""


def once(findings: Sequence[str]) -> tuple[str, ...]:
    """Findings as one message: only the last one keeps the pointer to the list of settings."""
    last = max((place for place, text in enumerate(findings) if EVERY_SETTING in text), default=0)
    return tuple(text if place == last else text.replace(EVERY_SETTING, "") for place, text in enumerate(findings))


class CardinetError(Exception):
    """One or more findings that a user can act on. Each is one sentence with the value, the reason and the fix.

    The command line prints the findings without a traceback and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, *findings: str) -> None:
        super().__init__("\n".join(once(findings)))
        self.findings = findings

    def __reduce__(self) -> tuple[type[CardinetError], tuple[str, ...]]:
        """Keep the findings separate when the error is sent to another process."""
        return type(self), self.findings


class RequestError(CardinetError):
    """The request was wrong (exit code 2): an unknown name, a bad value, a path that does not exist."""

    exit_code = 2


class WorkError(CardinetError):
    """The work failed (exit code 1): data, numerics or hardware."""

    exit_code = 1


class Notice(UserWarning):
    """A warning for the user; the work goes on. The command line prints it once."""


class Findings:
    """Collects errors so that all are reported together.

    Use it as a context manager around each independent check. `raise_if_any` then raises one error with every finding:
    a `RequestError` if any of them is one, else a `WorkError`.
    """

    def __init__(self) -> None:
        self.errors: list[CardinetError] = []

    def __enter__(self) -> Findings:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, CardinetError):
            self.errors.append(error)
            return True
        return False

    def __bool__(self) -> bool:
        return bool(self.errors)

    def raise_if_any(self) -> None:
        if not self.errors:
            return
        kind = RequestError if any(isinstance(e, RequestError) for e in self.errors) else WorkError
        raise kind(*dict.fromkeys(text for error in self.errors for text in error.findings))


def nearest(name: object, allowed: Iterable[str], most: int = 3) -> str:
    """The end of a message about an unknown name: the nearest valid names, or all of them if they are few."""
    allowed = list(allowed)
    lowered = {a.lower(): a for a in allowed}
    close = [lowered[m] for m in difflib.get_close_matches(str(name).lower(), lowered, n=most, cutoff=0.5)]
    if close:
        return "nearest: " + ", ".join(close)
    return "known: " + ", ".join(allowed) if 0 < len(allowed) <= 12 else "no similar name"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that Python, or torch on the CPU or a GPU, has run out of memory."""
    return isinstance(error, MemoryError) or any(
        sign in f"{type(error).__name__}: {error}" for sign in ("can't allocate memory", "OutOfMemoryError")
    )


def of_the_system(error: BaseException) -> CardinetError | None:
    """The error for a user if the system has refused a file or memory; None for every other error."""
    if isinstance(error, OSError):
        kind = RequestError if error.errno == errno.ENAMETOOLONG else WorkError
        return kind(f"{error.filename or 'The output'} could not be read or written: {error.strerror or error}.")
    if out_of_memory(error):
        return WorkError("There is not enough memory for this; give a smaller --batch-size, or smaller pictures.")
    return None
