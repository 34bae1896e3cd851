"""Shards that are fetched or converted into the cache folder when they are needed, as far as a limit allows."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cardinet.base.amounts import amount
from cardinet.base.cache import cache_folder
from cardinet.base.errors import CardinetError, RequestError, WorkError

GIB = 2**30
UNFINISHED = 3600.0


class KeptShards(ABC):
    """Shards in the cache folder. All sources share it; the ones unused for longest leave it first.

    `names` are their files there, one a version of a shard; `sizes` their bytes; `limit` the most bytes of the whole
    folder. Several processes can use it: a shard is made once, by one of them, and the others wait.
    """

    def __init__(self, names: Sequence[str], sizes: Sequence[int], limit: int) -> None:
        self.folder = cache_folder("shards")
        self.names, self.sizes, self.limit = tuple(names), tuple(sizes), limit
        self._expected: list[int] = []
        self._change = threading.Condition()
        self._worker: threading.Thread | None = None

    @abstractmethod
    def make(self, number: int, target: Path) -> None:
        """Write a shard to `target`, which may hold the beginning of an earlier try. Raises WorkError."""

    def path(self, number: int) -> Path:
        """The local file of a shard. If it is missing, it is made, or awaited if another process makes it."""
        place = self.folder / self.names[number]
        beside = place.with_name(f".{place.name}.part")
        while not place.exists():
            with _locked(beside) as mine:
                if mine and place.exists():  # another process has made it meanwhile
                    beside.unlink(missing_ok=True)
                elif mine:
                    self._make_room(number)
                    self.make(number, beside)
                    os.replace(beside, place)
        return place

    def expect(self, numbers: Sequence[int]) -> None:
        """Make these shards in a thread, in this order, as far as the limit allows. Errors are left to `path`."""
        for number in numbers:
            with suppress(OSError):
                os.utime(self.folder / self.names[number])
        with self._change:
            self._expected = list(numbers)
            self._change.notify()
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, daemon=True)
                self._worker.start()

    def _work(self) -> None:
        tried: set[int] = set()
        while True:
            with self._change:
                while (number := self._next(tried)) is None:
                    self._change.wait()
                    tried &= set(self._expected)
            tried.add(number)
            with suppress(CardinetError):
                self.path(number)

    def _next(self, tried: set[int]) -> int | None:
        """The first expected shard that is missing and fits with those before it into the limit."""
        total = 0
        for number in self._expected:
            total += self.sizes[number]
            if total > self.limit:
                return None
            if number not in tried and not (self.folder / self.names[number]).exists():
                return number
        return None

    def _make_room(self, number: int) -> None:
        """Remove the shards that were unused for longest until this one fits. Raises WorkError.

        Its unfinished file is there already. Unfinished files count as whole, so that two processes that make shards at
        the same time see each other's. They stay for `UNFINISHED` seconds after their last byte.
        """
        size, own = self.sizes[number], f".{self.names[number]}.part"
        whole = {f".{name}.part": held for name, held in zip(self.names, self.sizes, strict=True)}
        files: list[tuple[float, int, Path]] = []
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):
                status = entry.stat()
                files.append((status.st_mtime, max(status.st_size, whole.get(entry.name, 0)), Path(entry.path)))
        total, free = sum(held for _, held, _ in files), _free(self.folder)
        for used, held, path in sorted(files):
            if total <= self.limit and size <= free:
                break
            forgotten = path.name.startswith(".") and path.name != own and used < time.time() - UNFINISHED
            if not path.name.startswith(".") or forgotten:
                path.unlink(missing_ok=True)
                total, free = total - held, free + held
        if size > free:
            raise WorkError(
                f"{self.folder} has {free / GIB:.1f} GiB free and a shard needs {size / GIB:.1f}; make room, or set "
                "XDG_CACHE_HOME to a larger disk."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_change", "_worker", "_expected")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _expected=[], _change=threading.Condition(), _worker=None)


def check_limit(limit: float, sizes: Sequence[int], together: int) -> int:
    """The limit of the cache in bytes. Raises RequestError if it cannot hold the shards that are shuffled together."""
    needed = sum(sorted(sizes)[-together:])
    if needed > limit * GIB:
        raise RequestError(
            f"data.shard_cache = {limit:g} GiB: data.shuffle_shards = {amount(together, 'shard')} need "
            f"{needed / GIB:.2g} GiB; "
            f"give data.shard_cache={-(-2 * needed // GIB)}, or fewer shards at a time."
        )
    return int(limit * GIB)


def _free(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the file, which is made if it is missing. False if it was removed or renamed while this process waited."""
    import fcntl

    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            same = os.path.samestat(os.fstat(handle), os.stat(path))
        except FileNotFoundError:
            same = False
        yield same
    finally:
        # A process that was forked meanwhile has the handle too, and closing this one would leave its lock in place.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)
