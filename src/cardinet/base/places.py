"""Where something new may be written: checked before any work, in a dry run too."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import beside

MODEL_FILE = ".safetensors"
"""How the name of a model file ends."""


def path_of(path: object) -> Path:
    """The path that a caller gives as text or as a path. Raises RequestError for what is none."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise RequestError(f"{path!r:.80} is no path of a file; give text or a Path.")
    return Path(path)


def check_model_name(path: Path) -> None:
    """Raise RequestError for a name that another kind of file has, as a picture: a model file may replace one."""
    if path.suffix != MODEL_FILE:
        raise RequestError(f"{path} cannot be the model file; end its name with {MODEL_FILE}.")


def check_file(path: Path, *, replaces: bool = False) -> None:
    """Raise RequestError where the file cannot be written: it is there already, or has no place.

    Whatever has the name is there, also a link to nothing. With `replaces` a regular file may be there.
    """
    state = _state(path)
    if state is not None and stat.S_ISDIR(state.st_mode):
        raise RequestError(f"{path} is a folder; name a file.")
    if state is not None and not replaces:
        raise RequestError(f"{path} exists; name a file that does not.")
    if state is not None and not stat.S_ISREG(state.st_mode):
        raise RequestError(f"{path} is a link, device or pipe; name another file.")
    if not os.path.isdir(path.parent):
        raise RequestError(f"{path} cannot be written: its folder is not there.")
    _try(path)


def check_folder(path: Path, *, option: str = "--out", parents: bool = False, hint: str = "") -> None:
    """Raise RequestError where the folder cannot be made: its name is taken, or it has no place.

    With `parents` the folders above it are made too. `option` is what named it, `hint` what else may be meant by it.
    """
    if _state(path) is not None:
        raise RequestError(f"{path} exists; give {option} a folder that does not{hint}.")
    above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    if not os.path.isdir(above):
        raise RequestError(f"{path} cannot be made: {above} is no folder; give {option} another place.")
    if not parents and not os.path.isdir(path.parent):
        raise RequestError(f"{path} cannot be made: the folder that it is to be in is not there.")
    _try(above / path.name)


def _state(path: Path) -> os.stat_result | None:
    """What has the name, None where nothing has. Raises RequestError where it is none."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # too long, a loop of links, a folder that may not be searched, a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(f"{path} cannot be written: {reason}; name another.") from None


def _try(path: Path) -> None:
    """Make a folder beside the place and remove it: rights alone do not tell, as below /proc. Raises RequestError."""
    try:
        with beside(path):
            pass
    except WorkError as error:
        raise RequestError(*(f"{finding.rstrip('.')}; name another place." for finding in error.findings)) from None
