"""Files that are whole or absent, and the lock that one writer holds on a folder."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cardinet.base.errors import WorkError


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `path` so that a reader, or a kill at any moment, sees the old file or the new one, never a part.

    Written beside, flushed to disk, renamed; what is left of a failed try is removed.
    Raises WorkError when the file cannot be written (disk full, folder read-only); the old file is then intact.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(beside, "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WorkError(f"{path} could not be written: {reason}. What was saved before is intact.") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, for files in the making; what is left in it is removed at the end.

    Raises WorkError when it cannot be made.
    """
    folder = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        folder.mkdir()
    except OSError as error:
        raise WorkError(f"{path} cannot be written: {error.strerror or error}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_files(made: Mapping[Path, Path]) -> None:
    """Give finished files (keys) their places (values) on the same file system, in order: all, or none if one fails.

    They are flushed to disk first. A kill between two renames leaves the first ones, so the file that the others
    belong to comes last: who finds it finds all. Raises WorkError when one cannot be flushed or renamed.
    """
    placed: list[Path] = []
    place = next(iter(made.values()))
    try:
        for source in made:
            with open(source, "rb") as file:
                os.fsync(file.fileno())
        for source, place in made.items():
            os.replace(source, place)
            placed.append(place)
        for folder in {target.parent for target in made.values()}:
            sync_folder(folder)
    except OSError as error:
        for target in placed:
            target.unlink(missing_ok=True)
        raise WorkError(f"{place} could not be written: {error.strerror or error}.") from error


def remove_parts(folder: Path) -> None:
    """Remove what a killed `write_atomic` left behind in `folder`. Only the holder of the folder's lock may call it."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, message: str) -> Iterator[None]:
    """Hold the operating system's lock on `folder` (file `.lock`); it is released even when the process is killed.

    Raises WorkError with `message` when another process holds it.
    """
    import fcntl

    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise WorkError(f"{folder} cannot be locked for writing: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WorkError(message) from error
        yield
    finally:
        os.close(handle)
