"""Atomic writes, so that a file is whole or absent, and the lock that one writer holds on a folder."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cardinet.base.errors import WorkError

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""The error numbers of file systems without hard links."""


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes | str | Iterable[bytes | memoryview]) -> None:
    """Write `path` atomically: readers see the old file or the new one, never a part, also after a kill.

    The content, whole or in pieces, is written to a file beside, flushed to disk and renamed. The rest of a failed try
    is removed.
    Raises WorkError if the file cannot be written (disk full, folder read-only); the old file is then intact.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(beside, "xb") as file:
            whole = content.encode() if isinstance(content, str) else content
            file.writelines((whole,) if isinstance(whole, bytes) else whole)
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
def temporary_folder_beside(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` for unfinished files. It is removed at the end, with everything in it.

    Raises WorkError if the folder cannot be made.
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
    """Move finished files (keys) to their places (values) on the same file system, in order: all, or none if one fails.

    They are flushed to disk first, and no existing file is replaced. A kill in between leaves the first ones in place.
    So put the main file last: whoever finds it finds the others too. Raises WorkError if a file cannot be flushed or
    moved.
    """
    reserved: set[Path] = set()
    place = next(iter(made.values()))
    try:
        for source in made:
            with open(source, "rb") as file:
                os.fsync(file.fileno())
        for source, place in made.items():
            _place(source, place, reserved)
        for folder in {target.parent for target in made.values()}:
            sync_folder(folder)
    except BaseException as error:  # Ctrl-C too
        for source, target in made.items():
            if target in reserved or _is_same(source, target):  # any other file there belongs to someone else
                target.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise WorkError(
                f"{place} could not be written: another program has made it in the meantime; name another file."
            ) from error
        if isinstance(error, OSError):
            raise WorkError(f"{place} could not be written: {error.strerror or error}.") from error
        raise
    for source in made:
        source.unlink(missing_ok=True)


def _place(source: Path, target: Path, reserved: set[Path]) -> None:
    """Link a file to its place. A rename would replace a file that has appeared there. Raises OSError.

    If the file system has no links, an empty file reserves the place first, and the rename replaces it.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        reserved.add(target)
        os.replace(source, target)


def _is_same(source: Path, target: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(source), os.lstat(target))
    except OSError:
        return False


def remove_parts(folder: Path) -> None:
    """Remove the files that a killed `write_atomic` left in `folder`. The caller must hold the folder's lock."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, message: str) -> Iterator[None]:
    """Hold the operating system's lock on `folder` (file `.lock`). A kill of the process releases it too.

    Raises WorkError with `message` if another process holds it.
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
        # A process that was forked meanwhile has the handle too, and closing this one would leave its lock in place.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)
