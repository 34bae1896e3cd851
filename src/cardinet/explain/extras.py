"""The optional libraries of the questions."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from cardinet.base.errors import RequestError


def require_library(name: str, need: str, instead: str) -> None:
    """Raise RequestError, with the extra that installs it, if a library is not installed.

    `need` is what needs it, `instead` what to do without it.
    """
    if importlib.util.find_spec(name) is None:
        raise RequestError(
            f"{need} needs {name.replace('umap', 'umap-learn')}, which is not installed: "
            f'pip install "cardinet[explain]". {instead}'
        )


def library(name: str) -> Any:
    """Import a library of the extra. Raises RequestError if it is installed but broken."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise RequestError(
            f'{name} is installed but cannot be imported ({error}); pip install --force-reinstall "cardinet[explain]".'
        ) from error
