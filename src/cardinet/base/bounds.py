"""Bounds on the size of a network and on memory. A user lifts them with `no_bounds`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PARAMETERS = 1_000_000_000
"""The most parameters of a network; 4 GB in float32. The largest named network has 145,113,754."""

MODULES = 20_000
"""The most modules of a network (convolutions, norms and their containers). The largest named one has 5,940."""

COUNT = 1_000_000
"""The most channels, groups or classes in a description. `no_bounds` does not lift it: no memory holds more."""

UNITS = 10_000
"""The most units of one stage in a description. `no_bounds` does not lift it."""

LIFT = "--no-bounds lifts this bound (in Python: `with cardinet.no_bounds():`)"
"""The end of every message about a bound."""

_LIFTED: ContextVar[bool] = ContextVar("lifted", default=False)


@contextmanager
def no_bounds() -> Iterator[None]:
    """Lift the bounds inside the `with` block, for this thread alone."""
    token = _LIFTED.set(True)
    try:
        yield
    finally:
        _LIFTED.reset(token)


def bounded() -> bool:
    """Whether the bounds hold at this point of this thread."""
    return not _LIFTED.get()
