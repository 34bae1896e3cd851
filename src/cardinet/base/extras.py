"""Libraries of an extra, which may not be installed."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from cardinet.base.errors import RequestError


def require_libraries(what: str, names: Sequence[str], extra: str, instead: str = "") -> None:
    """Raise RequestError if libraries that `what` needs are not installed.

    It names them by their packages, and the extra that installs them. `instead` is what to do without them.
    """
    missing = [PACKAGES.get(name, name) for name in names if not installed(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        text = f'{what} needs {" and ".join(missing)}, which {verb} not installed: pip install "cardinet[{extra}]".'
        raise RequestError(f"{text} {instead}".rstrip())


def installed(name: str) -> bool:
    """Whether a library can be found. It is not imported."""
    with suppress(ValueError):
        return importlib.util.find_spec(name) is not None
    return True  # already imported, by a loader without a specification


PACKAGES = {"umap": "umap-learn", "mlflow": "mlflow-skinny"}
"""The names of packages that are not those of their modules."""


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """A context in which a logger logs only errors."""
    named = logging.getLogger(logger)
    before = named.level
    named.setLevel(logging.ERROR)
    try:
        yield
    finally:
        named.setLevel(before)
