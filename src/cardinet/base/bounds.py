"""What is not done unasked because it is too large: the bounds on a network and on memory, and how they are lifted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PARAMETERS = 1_000_000_000
"""So many parameters a network may have; 4 GB in float32. The largest named network has 145,113,754."""

MODULES = 20_000
"""So many modules (convolutions, norms and what holds them) a network may have; the largest named one has 5,940."""

COUNT = 1_000_000
"""Channels, groups or classes that a description can name. Not lifted: no memory holds what is larger."""

UNITS = 10_000
"""Units that a description can name for one stage. Not lifted either."""

LIFT = "--no-bounds lifts this bound (in Python: `with cardinet.no_bounds():`)"
"""How a message about a bound ends."""

_LIFTED: ContextVar[bool] = ContextVar("lifted", default=False)


@contextmanager
def no_bounds() -> Iterator[None]:
    """Within it, in this thread, networks of any size are built and work of any size is begun."""
    token = _LIFTED.set(True)
    try:
        yield
    finally:
        _LIFTED.reset(token)


def bounded() -> bool:
    """Whether the bounds hold here."""
    return not _LIFTED.get()
