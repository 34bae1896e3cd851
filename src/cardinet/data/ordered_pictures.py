"""Pictures in a fixed order that are read from any place on, one by one, so that a million of them need no memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Protocol

import numpy as np

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import kind_of, list_source, named_kind
from cardinet.data.kinds.hub_datasets import pictures_on_hub
from cardinet.data.kinds.parquet import parquet_pictures
from cardinet.data.kinds.saved_datasets import pictures_in_saved
from cardinet.data.kinds.split_folders import pictures_in_splits
from cardinet.data.kinds.webdataset import pictures_in_shards
from cardinet.data.picture_inputs import PictureInput, picture_paths
from cardinet.data.source_listing import SplitPictures, fingerprint
from cardinet.data.splitting import WHOLE


class OrderedPictures(Protocol):
    """Pictures without classes, by position. They can be pickled."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Iterator[PictureInput]:
        """The pictures from `start` to `stop`, in order."""

    def entries(self) -> Iterator[str]:
        """Texts that differ if the pictures or their order differ: names and sizes."""


def lost(pictures: OrderedPictures) -> tuple[str, ...]:
    """Sentences on the samples of a source that have no picture, so that they get no answer."""
    if not isinstance(pictures, Joined):
        return ()
    return (*pictures.lost, *(sentence for part in pictures.parts for sentence in lost(part)))


@dataclass(frozen=True, eq=False)
class Span:
    """Some of the pictures, one after the other."""

    pictures: OrderedPictures
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[PictureInput]:
        return self.pictures.read(self.start, self.stop)


def whole(pictures: OrderedPictures) -> Span:
    """All of the pictures."""
    return Span(pictures, 0, len(pictures))


def identity(pictures: OrderedPictures) -> str:
    """The sha256 (hex) of the pictures' names and sizes, in order."""
    return fingerprint((), (f"{place:09d} {entry}" for place, entry in enumerate(pictures.entries())))


def ordered_pictures(texts: Sequence[str], settings: DataSettings, split: str | None = None) -> OrderedPictures:
    """The pictures that texts name: files, folders, patterns, csv:FILE, or any other source by KIND:PATH or its name.

    Those of a source come split by split, and labels are not needed in the kinds of `UNLABELLED`. With `split` only
    those of one split are taken. A file or folder that exists is meant before a source of that name. `settings`
    say how tables are read. Raises RequestError or WorkError with every text that names no pictures.
    """
    findings, found = Findings(), list[OrderedPictures]()
    files: list[str] = []
    for text in texts:
        with findings:
            if is_source(text):
                if files:
                    found.append(Files(files))
                    files = []
                found.append(_of_source(text, settings, split))
                continue
            if split is not None:
                raise RequestError(f"--split {split}: {text} has no splits for a prediction; name their folders.")
            files += map(str, picture_paths(text, settings.picture_column, settings.root))
    findings.raise_if_any()
    if files:
        found.append(Files(files))
    return found[0] if len(found) == 1 else Joined(tuple(found))


def is_source(text: str) -> bool:
    """Whether a text names a source of another kind than files, folders, patterns and csv:FILE."""
    return named_kind(text) is not None and not text.startswith("csv:") and not os.path.lexists(text)


def _of_source(text: str, settings: DataSettings, split: str | None) -> OrderedPictures:
    _, rest = kind_of(text)
    parts, lost = UNLABELLED.get(text.partition(":")[0], _listed)(text, rest, settings)
    if split is None or split == WHOLE:
        return Joined(tuple(parts.values()), lost)
    if split not in parts:
        raise RequestError(f"--split {split}: {text} has no such split ({nearest(split, parts)}).")
    return Joined((parts[split],), lost)


Parts = tuple[dict[str, OrderedPictures], tuple[str, ...]]
"""The pictures of a source by split, and sentences on its samples that have no picture."""


def _in_parquet(text: str, rest: str, settings: DataSettings) -> Parts:
    return dict(parquet_pictures(rest, settings.picture_column)), ()


def _on_hub(text: str, rest: str, settings: DataSettings) -> Parts:
    return dict(pictures_on_hub(rest, settings.picture_column)), ()


def _in_saved(text: str, rest: str, settings: DataSettings) -> Parts:
    return _marked(*pictures_in_saved(rest, settings.picture_column)), ()


def _in_folders(text: str, rest: str, settings: DataSettings) -> Parts:
    return _marked(*pictures_in_splits(rest)), ()


def _in_shards(text: str, rest: str, settings: DataSettings) -> Parts:
    parts, mark, findings = pictures_in_shards(rest, settings)
    return _marked(parts, mark), tuple(finding.sentence() for finding in findings)


def _listed(text: str, rest: str, settings: DataSettings) -> Parts:
    listing = list_source(text, settings)
    return _marked({WHOLE: listing.parts["train"]} if listing.unsplit else listing.parts, listing.fingerprint), ()


def _marked(parts: Mapping[str, SplitPictures], mark: str) -> dict[str, OrderedPictures]:
    return {name: Listed(part, f"{mark} {name}") for name, part in parts.items()}


UNLABELLED: Mapping[str, Callable[[str, str, DataSettings], Parts]] = {
    "imagenet": _in_folders,
    "tiny-imagenet": _in_folders,
    "parquet": _in_parquet,
    "hf": _on_hub,
    "datasets": _in_saved,
    "webdataset": _in_shards,
}
"""The kinds whose pictures can be had without labels."""


class Files:
    """Picture files, by their paths as they were given."""

    def __init__(self, paths: Iterable[str]) -> None:
        # One block of bytes: a million paths must not be a million objects.
        self.block = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.block)

    def read(self, start: int, stop: int) -> Iterator[PictureInput]:
        for path in self._paths(start, stop):
            yield PictureInput(path, Path(path))

    def entries(self) -> Iterator[str]:
        for path in self._paths(0, len(self)):
            yield f"{path}\t{os.path.getsize(path) if os.path.exists(path) else -1}"

    def _paths(self, start: int, stop: int) -> Iterator[str]:
        for name in self.block[start:stop]:
            yield os.fsdecode(bytes(name))


@dataclass(frozen=True, eq=False)
class Listed:
    """The pictures of one split of a listing; `mark` is the identity of listing and split."""

    part: SplitPictures
    mark: str

    def __len__(self) -> int:
        return len(self.part)

    def read(self, start: int, stop: int) -> Iterator[PictureInput]:
        for place in range(start, stop):
            yield self._picture(place)

    def _picture(self, place: int) -> PictureInput:
        name = self.part.names.inside(place)
        if self.part.encoded is not None:
            return PictureInput(name, partial(self.part.encoded.read, place))
        assert self.part.pixels is not None
        pixels = self.part.pixels[place].transpose(1, 2, 0)
        return PictureInput(name, np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))

    def entries(self) -> Iterator[str]:
        yield f"{self.mark} {len(self)}"


@dataclass(frozen=True, eq=False)
class Joined:
    """The pictures of several places, one after the other, and sentences on their samples without a picture."""

    parts: tuple[OrderedPictures, ...]
    lost: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.starts[-1]

    @cached_property
    def starts(self) -> list[int]:
        return list(accumulate((len(part) for part in self.parts), initial=0))

    def read(self, start: int, stop: int) -> Iterator[PictureInput]:
        for first, part in zip(self.starts, self.parts, strict=False):
            if first < stop and start < first + len(part):
                yield from part.read(max(0, start - first), min(len(part), stop - first))

    def entries(self) -> Iterator[str]:
        return chain.from_iterable(part.entries() for part in self.parts)
