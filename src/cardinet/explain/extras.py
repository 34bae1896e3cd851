"""The optional libraries of the questions."""

from __future__ import annotations

import importlib
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.base.extras import require_libraries


def require_library(name: str, need: str, instead: str) -> None:
    """Raise RequestError, with the extra that installs it, if a library is not installed.

    `need` is what needs it, `instead` what to do without it.
    """
    require_libraries(need, [name], "explain", instead)


def library(name: str) -> Any:
    """Import a library of the extra. Raises RequestError if it is installed but broken."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise RequestError(
            f'{name} is installed but cannot be imported ({error}); pip install --force-reinstall "cardinet[explain]".'
        ) from error
