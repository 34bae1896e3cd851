"""Pictures in shards: files that hold many encoded pictures each, read one by one at their places.

A shard may have to be fetched or converted first (`kept_shards`). So the order of training takes only some shards at a
time (`sampling`), and says in advance which ones come next (`look_ahead`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cardinet.base.errors import WorkError
from cardinet.data.decode import PictureError
from cardinet.data.source_listing import ChosenEncoded, Encoded, JoinedEncoded, Names, writable

Numbers = npt.NDArray[np.int32]

Request = TypeVar("Request", bound=tuple[Any, ...])
"""The epoch and the samples of a batch, first; the place of a sample is its remainder by the number of pictures."""


class ShardFiles(Protocol):
    """The shards of a source by their numbers. It can be forked and pickled."""

    def path(self, number: int) -> Path:
        """The local file of a shard; it is made first if it is missing. Raises WorkError."""

    def expect(self, numbers: Sequence[int]) -> None:
        """Prepare for these shards, the next ones, in this order. It returns at once."""


@dataclass(frozen=True)
class LocalShards:
    """Shards that are local files."""

    paths: tuple[Path, ...]

    def path(self, number: int) -> Path:
        return self.paths[number]

    def expect(self, numbers: Sequence[int]) -> None:
        """Nothing: they are there."""


@dataclass(frozen=True, eq=False)
class ShardPictures:
    """Encoded pictures at their places: the shard's number, the first byte and the number of bytes, each (N,)."""

    files: ShardFiles
    shard: Numbers
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]

    def read(self, index: int) -> bytes:
        """The bytes of one picture. Raises PictureError if they are not there, WorkError without the shard."""
        size = int(self.size[index])
        if size < 0:
            raise PictureError("empty", "the row holds no bytes")
        for last in (False, True):
            path = self.files.path(int(self.shard[index]))
            try:
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                break
            except FileNotFoundError as error:  # another process may have removed it from the cache just now
                if last:
                    raise WorkError(f"{path} cannot be read: {error.strerror}.") from None
            except OSError as error:
                raise WorkError(f"{path} cannot be read: {error.strerror}.") from None
        try:  # without a shared position, so that threads and forked processes can read at the same time
            data = os.pread(handle, size, int(self.offset[index]))
        except OSError as error:
            raise PictureError("damaged", f"it cannot be read ({error.strerror})") from error
        finally:
            os.close(handle)
        if len(data) < size:
            raise PictureError("truncated", f"the shard ends after {len(data):,} of its {size:,} bytes")
        return data


@dataclass(frozen=True, eq=False)
class ShardNames(Names):
    """`SHARD/KEY.SUFFIX` for the pictures of tar shards.

    `names` are the shards as users know them, `states` the files whose size and time tell whether a shard has changed.
    The keys are one block of bytes, which forked workers share.
    """

    names: tuple[str, ...]
    states: tuple[Path, ...]
    suffixes: tuple[str, ...]
    shard: Numbers
    keys: npt.NDArray[np.bytes_]
    suffix: npt.NDArray[np.int16]
    row: Numbers

    def __len__(self) -> int:
        return len(self.shard)

    def at(self, index: int) -> str:
        key = os.fsdecode(bytes(self.keys[index]))
        return f"{self.names[int(self.shard[index])]}/{key}.{self.suffixes[int(self.suffix[index])]}"

    def key(self, index: int) -> str:
        return writable(self.at(index))

    def place(self, index: int) -> tuple[str, int]:
        return str(self.states[int(self.shard[index])]), int(self.row[index])


def shard_of_each(encoded: Encoded | None) -> Numbers | None:
    """The number of the shard of each picture, (N,); None if the pictures are not in shards."""
    if isinstance(encoded, ShardPictures):
        return encoded.shard
    if isinstance(encoded, ChosenEncoded):
        inner = shard_of_each(encoded.base)
        return None if inner is None else inner[encoded.rows]
    if isinstance(encoded, JoinedEncoded):
        first, second = shard_of_each(encoded.first), shard_of_each(encoded.second)
        return None if first is None or second is None else np.concatenate([first, second])
    return None


def files_of(encoded: Encoded | None) -> ShardFiles | None:
    """The shards of the pictures, None without. All pictures of a source have the same ones."""
    while isinstance(encoded, ChosenEncoded | JoinedEncoded):
        encoded = encoded.base if isinstance(encoded, ChosenEncoded) else encoded.first
    return encoded.files if isinstance(encoded, ShardPictures) else None


def look_ahead(requests: Iterable[Request], encoded: Encoded | None, ahead: int) -> Iterator[Request]:
    """The requests, unchanged and in order. Up to `ahead` shards of the next ones are announced (`ShardFiles.expect`).

    Requests are taken in advance for that, at most as many as cover all pictures.
    """
    shards, files = shard_of_each(encoded), files_of(encoded)
    if shards is None or files is None or isinstance(files, LocalShards):
        yield from requests
        return
    pending: deque[tuple[Request, list[int]]] = deque()
    needed: dict[int, int] = {}  # by shard in order of need, the number of pending requests that read it
    held, most, source = 0, min(ahead, len(np.unique(shards))), iter(requests)
    while True:
        new = False
        while len(needed) < most and held < len(shards) and (request := next(source, None)) is not None:
            numbers = list(dict.fromkeys(shards[request[1] % len(shards)].tolist()))
            new |= not needed.keys() >= set(numbers)
            needed.update({number: needed.get(number, 0) + 1 for number in numbers})
            pending.append((request, numbers))
            held += len(request[1])
        if new:
            files.expect(list(needed))
        if not pending:
            return
        request, numbers = pending.popleft()
        yield request
        held -= len(request[1])
        for number in numbers:
            needed[number] -= 1
            if not needed[number]:
                del needed[number]
