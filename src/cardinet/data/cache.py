"""The folder for what can be made again: downloads, converted files, results of check-data."""

from __future__ import annotations

import os
from pathlib import Path

from cardinet.base.errors import WorkError


def cache_folder(name: str) -> Path:
    """`$XDG_CACHE_HOME/cardinet/NAME` (or `~/.cache/...`), made if need be. Raises WorkError when it cannot be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "cardinet" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkError(
            f"The cache folder {folder} cannot be made ({error.strerror}); set XDG_CACHE_HOME to a writable folder."
        ) from error
    return folder
