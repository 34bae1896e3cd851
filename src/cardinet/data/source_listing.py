"""The contents of a source, without decoding a picture: names, labels and how to read the bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, overload

import numpy as np
import numpy.typing as npt

from cardinet.data.decode import PictureError
from cardinet.data.findings import Finding
from cardinet.data.labelling import Labelling, Labels, Rows, labelling_of


class Encoded(Protocol):
    """Encoded pictures, read one by one. It can be forked and pickled, so that worker processes can hold it."""

    def read(self, index: int) -> bytes:
        """The bytes of one picture. Raises PictureError if they cannot be read."""


class Names(Sequence[str]):
    """Names by position, computed on demand: a million names must not be a million objects."""

    @abstractmethod
    def at(self, index: int) -> str:
        """The name of one picture."""

    def inside(self, index: int) -> str:
        """The picture's place in the source; it does not depend on how the user typed the source."""
        return self.at(index)

    def key(self, index: int) -> str:
        """The place in the source as text that can be encoded. No two pictures share it."""
        return writable(self.inside(index))

    def place(self, index: int) -> tuple[str, int]:
        """The absolute path of the picture's file, and its row in the file (0 if the file is one picture)."""
        return os.path.abspath(self.at(index)), 0

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self.at(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.at(int(index) % len(self))


class Paths(Names):
    """Paths below a folder. They are kept as one block of bytes, which forked workers share."""

    def __init__(self, root: Path, relative: Sequence[str]) -> None:
        self.root = root
        self.block = np.array([os.fsencode(path) for path in relative], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.block)

    def at(self, index: int) -> str:
        return os.path.join(self.root, os.fsdecode(bytes(self.block[index])))

    def inside(self, index: int) -> str:
        """The path below the folder, with / between its parts."""
        return os.fsdecode(bytes(self.block[index])).replace(os.sep, "/")

    def read(self, index: int) -> bytes:
        """The bytes of the file (this makes the paths an `Encoded`)."""
        try:
            handle = os.open(
                self.at(index), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )  # reading a pipe could wait forever
            with open(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise PictureError("damaged", "it is not a file, but a device or pipe")
                return file.read()
        except OSError as error:
            raise PictureError("damaged", f"it cannot be read ({error.strerror})") from error


class Numbered(Names):
    """`scan 0`, `scan 1`, ... : pictures without names of their own."""

    def __init__(self, prefix: str, count: int) -> None:
        self.prefix = prefix
        self.length = count

    def __len__(self) -> int:
        return self.length

    def at(self, index: int) -> str:
        return f"{self.prefix}{index}"


@dataclass(frozen=True)
class ChosenNames(Names):
    """Some of the names, by row."""

    base: Names
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, index: int) -> str:
        return self.base.at(int(self.rows[index]))

    def inside(self, index: int) -> str:
        return self.base.inside(int(self.rows[index]))

    def place(self, index: int) -> tuple[str, int]:
        return self.base.place(int(self.rows[index]))


@dataclass(frozen=True)
class ChosenEncoded:
    """Some of the encoded pictures, by row."""

    base: Encoded
    rows: Rows

    def read(self, index: int) -> bytes:
        return self.base.read(int(self.rows[index]))


@dataclass(frozen=True)
class JoinedNames(Names):
    """The names of two splits, one after the other."""

    first: Names
    second: Names

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def at(self, index: int) -> str:
        names, row = self._find(index)
        return names.at(row)

    def inside(self, index: int) -> str:
        names, row = self._find(index)
        return names.inside(row)

    def place(self, index: int) -> tuple[str, int]:
        names, row = self._find(index)
        return names.place(row)

    def _find(self, index: int) -> tuple[Names, int]:
        count = len(self.first)
        return (self.first, index) if index < count else (self.second, index - count)


@dataclass(frozen=True)
class JoinedEncoded:
    """The encoded pictures of two splits, one after the other; the first has `count`."""

    first: Encoded
    second: Encoded
    count: int

    def read(self, index: int) -> bytes:
        return self.first.read(index) if index < self.count else self.second.read(index - self.count)


@dataclass(frozen=True, eq=False)
class SplitPictures:
    """The pictures of one split: either `encoded`, or decoded as `pixels` (uint8, (N, C, H, W)).

    `labels` have one class for each picture, or several (`labelling`).
    """

    names: Names
    labels: Labels
    encoded: Encoded | None = None
    pixels: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Rows) -> SplitPictures:
        """Some of the pictures, in the order of the rows."""
        return replace(
            self,
            names=ChosenNames(self.names, rows),
            labels=self.labels[rows],
            encoded=None if self.encoded is None else ChosenEncoded(self.encoded, rows),
            pixels=None if self.pixels is None else self.pixels[rows],
        )

    def joined(self, other: SplitPictures) -> SplitPictures:
        """These pictures and then those of another split of the same source."""
        encoded = None
        if self.encoded is not None and other.encoded is not None:
            encoded = JoinedEncoded(self.encoded, other.encoded, len(self))
        pixels = None
        if self.pixels is not None and other.pixels is not None:
            pixels = np.concatenate([self.pixels, other.pixels])
        names = JoinedNames(self.names, other.names)
        return SplitPictures(names, np.concatenate([self.labels, other.labels]), encoded, pixels)


@dataclass(frozen=True, eq=False)
class Listing:
    """A source as it is on disk.

    `problems` make it unusable (a class folder without pictures, only one class). `unsplit` says that its one part must
    still be divided into train, validation and test, `flips` that a mirrored picture keeps its class. `ignored` counts
    the files whose names are not those of pictures.
    """

    classes: tuple[str, ...]
    parts: dict[str, SplitPictures]
    fingerprint: str
    problems: tuple[Finding, ...] = ()
    unsplit: bool = False
    flips: bool = True
    ignored: int = 0

    @property
    def labelling(self) -> Labelling:
        """How many labels a picture has; all splits have the same."""
        return labelling_of(self.parts["train"].labels)


def writable(name: str) -> str:
    """A file name as text that can be encoded: bytes that are not UTF-8 are escaped.

    Backslashes are doubled, so that two names never become the same.
    """
    return name.replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode("utf-8")


def fingerprint(classes: Sequence[str], entries: Iterable[str], *blocks: bytes) -> str:
    """sha256 (hex) over the class names in order and the sorted entries, each a name with its size and class."""
    digest = hashlib.sha256()
    for text in (*classes, "", *sorted(entries)):
        digest.update(text.encode("utf-8", "surrogateescape") + b"\n")
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
