"""Checks of paths for new files and folders. They run before any work, also in a dry run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import temporary_folder_beside

MODEL_FILE = ".safetensors"
"""The extension of a model file."""
DRAWING = ".svg"
"""The extension of a drawing."""

PAGES = (".html", ".htm")
"""The extensions of a page."""


def path_of(path: object) -> Path:
    """A path given as text or as a Path. Raises RequestError for any other value."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise RequestError(f"{path!r:.80} is not a file path; give text or a Path.")
    return Path(path)


def check_model_name(path: Path) -> None:
    """Raise RequestError for another extension: a model file may replace an existing file, but not, say, a picture."""
    if path.suffix != MODEL_FILE:
        raise RequestError(f"{path} cannot be the model file; end its name with {MODEL_FILE}.")


def check_new_file(path: Path, *, replaces: bool = False) -> None:
    """Raise RequestError if the file cannot be written: it exists, or its folder cannot hold it.

    Anything of that name counts as existing, also a broken link. With `replaces` a regular file may exist.
    """
    state = _state(path)
    if state is not None and stat.S_ISDIR(state.st_mode):
        raise RequestError(f"{path} is a folder; name a file.")
    if state is not None and not replaces:
        raise RequestError(f"{path} exists; name a file that does not.")
    if state is not None and not stat.S_ISREG(state.st_mode):
        raise RequestError(f"{path} is a link, device or pipe; name another file.")
    if not os.path.isdir(path.parent):
        raise RequestError(f"{path} cannot be written: its folder does not exist.")
    _try(path)


def check_new_drawing(path: Path) -> None:
    """Raise RequestError if the path has another extension than a drawing, or `check_new_file` refuses it."""
    if path.suffix != DRAWING:
        raise RequestError(f"{path} cannot be the drawing; end its name with {DRAWING}.")
    check_new_file(path)


def check_new_page(path: Path) -> None:
    """Raise RequestError if the path has another extension than a page, or `check_new_file` refuses it."""
    if path.suffix not in PAGES:
        raise RequestError(f"{path} cannot be the page; end its name with {PAGES[0]}.")
    check_new_file(path)


def check_new_folder(path: Path, *, option: str = "--out", parents: bool = False, hint: str = "") -> None:
    """Raise RequestError if the folder cannot be made: it exists, or the folder above cannot hold it.

    With `parents` the folders above it are made too. Messages name `option` as the source of the path, and `hint`
    follows where the folder exists.
    """
    if _state(path) is not None:
        raise RequestError(f"{path} exists; give {option} a folder that does not{hint}.")
    above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    if not os.path.isdir(above):
        raise RequestError(f"{path} cannot be made: {above} is not a folder; give {option} another place.")
    if not parents and not os.path.isdir(path.parent):
        raise RequestError(f"{path} cannot be made: its parent folder does not exist.")
    _try(above / path.name)


def _state(path: Path) -> os.stat_result | None:
    """The status of whatever has this name; None if nothing has. Raises RequestError if the name cannot be used."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # too long, a loop of links, a folder that may not be searched, a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(f"{path} cannot be written: {reason}; name another.") from None


def _try(path: Path) -> None:
    """Raise RequestError if no folder can be made beside the path. It tries: permissions alone mislead below /proc."""
    try:
        with temporary_folder_beside(path):
            pass
    except WorkError as error:
        raise RequestError(*(f"{finding.rstrip('.')}; name another place." for finding in error.findings)) from None
