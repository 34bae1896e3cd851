"""The cache folder: downloads, converted files and results of check-data, all of which can be made again."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from pathlib import Path

from cardinet.base.errors import Notice, WorkError


def cache_folder(name: str) -> Path:
    """The folder `$XDG_CACHE_HOME/cardinet/NAME` (or `~/.cache/...`), which is made if it is missing.

    If it cannot be made, a temporary folder is used, with a Notice. Raises WorkError if that fails too.
    """
    try:
        return _made(_base() / "cardinet" / name)
    except RuntimeError:  # the user has no home folder
        why = "There is no home folder for a cache"
    except OSError as error:
        why = f"The cache folder {error.filename} cannot be written to ({error.strerror})"
    try:
        folder = _made(_own_temporary() / name)
    except OSError as error:
        raise WorkError(f"{why}, nor can {error.filename}; set XDG_CACHE_HOME to a writable folder.") from error
    warnings.warn(Notice(f"{why}; {folder.parent} is used. To use another folder, set XDG_CACHE_HOME."), stacklevel=2)
    return folder


def _base() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))
    return folder


def _own_temporary() -> Path:
    """A temporary folder that nobody else can write to. Its name is always the same."""
    folder = Path(tempfile.gettempdir()) / f"cardinet-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise PermissionError(1, "it belongs to another user", str(folder))
    return folder
