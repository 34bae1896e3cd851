"""A source of labelled pictures, opened: its classes and its splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.base.settings import validate
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import PictureError, Reduction, load_picture
from cardinet.data.findings import Finding
from cardinet.data.kinds import list_source
from cardinet.data.labelling import ONE, Labelling, Labels, Rows, labelling_of
from cardinet.data.small_pictures import decode_small
from cardinet.data.source_listing import ChosenEncoded, ChosenNames, Encoded, Listing, Names
from cardinet.data.splitting import WHOLE, divided, limited, pictures_of

if TYPE_CHECKING:
    import torch
    from PIL import Image


ONLY_IN_TRAINING = ("one-class", "empty-class")
"""Findings that make training impossible, but not the evaluation of all pictures."""


@dataclass(frozen=True, eq=False)
class Split:
    """The pictures of one split: decoded in memory (`images`) or `encoded`, never both.

    `labels` are one class for each picture, int64 (N,), or several, uint8 (N, classes) (`labelling`); `images` uint8
    (N, C, H, W); `names` holds the place of each picture; `total` counts the pictures before the limit. `draft` says
    that training may decode its pictures at reduced scale.
    """

    name: str
    labels: Labels
    names: Names
    images: torch.Tensor | None
    encoded: Encoded | None
    total: int
    pixel_limit: int
    draft: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labelled(self) -> bool:
        """Whether the classes of the pictures are known."""
        return self.labelling.known(self.labels)

    @property
    def labelling(self) -> Labelling:
        """How many labels a picture has."""
        return labelling_of(self.labels)

    @property
    def single_labels(self) -> Rows:
        """The class of each picture, int64 (N,). Raises RequestError if a picture may have several labels."""
        if self.labelling is not ONE:
            raise RequestError(f"The {pictures_of(self.name)} may have several labels, and this needs one for each.")
        return self.labels.astype(np.int64, copy=False)

    def picture(self, index: int, reduction: Reduction | None = None) -> Image.Image:
        """One picture, in its own size and mode, fully decoded except for a `reduction` (`decode.load_picture`).

        Raises WorkError with its name and the reason.
        """
        if self.images is not None:
            from PIL import Image

            pixels = self.images[index].permute(1, 2, 0).numpy()
            return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
        assert self.encoded is not None
        try:
            return load_picture(self.encoded.read(index), self.pixel_limit, reduction)
        except PictureError as error:
            raise WorkError(f"{self.names[index]}: {error.kind}: {error.detail}.") from error

    def without(self, keys: Set[str]) -> Split:
        """The split without the pictures of these keys (`names.key(i)`, a picture's place in the source)."""
        if not keys:
            return self
        return self.chosen(np.array([i for i in range(len(self)) if self.names.key(i) not in keys], dtype=np.int64))

    def chosen(self, rows: npt.NDArray[np.int64]) -> Split:
        """The split with only the pictures at these places, in this order."""
        return replace(
            self,
            labels=self.labels[rows],
            names=ChosenNames(self.names, rows),
            images=None if self.images is None else self.images[rows],
            encoded=None if self.encoded is None else ChosenEncoded(self.encoded, rows),
        )


@dataclass(frozen=True, eq=False)
class Source:
    """An opened source.

    - `text`: the source as typed;
    - `classes`: the names in index order;
    - `splits`: "train" and, if they exist, "validation" and "test"; or "all" alone if it was not divided;
    - `fingerprint`: the sha256 of the data on disk (sorted names, sizes and classes), before limit and division;
    - `small`: whether the decodable pictures are small and of one size. They are then all in memory, or none of them
      while there is a bad one (`admitted` removes it);
    - `size`: their (H, W), else None;
    - `flips`: whether a mirrored picture keeps its class;
    - `ignored`: the number of files whose names are not those of pictures;
    - `notes`: findings that do not make anything unusable;
    - `unsplit`: whether the source had no splits of its own.
    """

    text: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    fingerprint: str
    channels: int
    size: tuple[int, int] | None
    flips: bool
    small: bool
    ignored: int
    notes: tuple[Finding, ...] = ()
    unsplit: bool = False

    @property
    def labelling(self) -> Labelling:
        """How many labels a picture has; all splits have the same."""
        return next((split.labelling for split in self.splits.values()), ONE)


def open_source(
    text: str, settings: DataSettings, division: Callable[[Listing], DataSettings | None] | None = None
) -> Source:
    """Open `digits`, a folder of class folders, KIND:PATH or a named set (`kinds`).

    A source is divided by `settings`, or by the settings that `division` returns for its listing; if it returns None
    for one without splits, that stays undivided as the one split "all". Small pictures are decoded into memory. If one
    cannot be decoded, all stay encoded although the source is `small`, so that `bad_pictures` can name it. Raises
    RequestError for an unknown kind and a missing path, WorkError with every reason for data that cannot be used.
    """
    listing = list_source(text, settings)
    shares = settings if division is None else division(listing)
    whole = {WHOLE: listing.parts["train"]} if shares is None else divided(listing, shares)
    harmless = () if shares is not None else ONLY_IN_TRAINING
    if reasons := [problem.sentence() for problem in listing.problems if problem.bad and problem.kind not in harmless]:
        raise WorkError(*reasons)
    splits = {}
    for name, part in whole.items():
        kept = limited(part, settings.limit, settings.split_seed)
        images = None if kept.pixels is None else _tensor(kept.pixels)
        how = settings.pixel_limit, settings.draft
        splits[name] = Split(name, kept.labels, kept.names, images, kept.encoded, len(part), *how)
    source = Source(
        text=text,
        classes=listing.classes,
        splits=splits,
        fingerprint=listing.fingerprint,
        channels=3,
        size=None,
        flips=listing.flips,
        small=False,
        ignored=listing.ignored,
        notes=tuple(problem for problem in listing.problems if not problem.bad),
        unsplit=listing.unsplit,
    )
    return in_memory_splits(source, settings)


def settings_for(text: Any, document: Mapping[str, Any], where: str = "") -> DataSettings:
    """The settings in a document, for the source `text`; `where` ("data.") is the document's place in a larger one.

    Raises RequestError with every wrong setting. It looks at the source too, so that they hide none of its faults.
    """
    try:
        return validate(DataSettings, document, where)
    except RequestError as wrong:
        try:
            if isinstance(text, str):
                list_source(text, _usable(document))
        except CardinetError as gone:
            raise RequestError(*wrong.findings, *gone.findings) from None
        raise


def _usable(document: Mapping[str, Any]) -> DataSettings:
    """The settings of a document without those that are wrong: else the source is read in a way nobody asked for."""
    kept: dict[str, Any] = {}
    for key, value in document.items():
        with suppress(RequestError):
            validate(DataSettings, kept | {key: value})
            kept[key] = value
    return validate(DataSettings, kept)


def in_memory_splits(source: Source, settings: DataSettings) -> Source:
    """The source with its pictures decoded into memory if they are small, of one size and all good."""
    if not source.splits:
        return source
    encoded = {name: split.encoded for name, split in source.splits.items() if split.encoded is not None}
    splits = dict(source.splits)
    if encoded:
        counts = {name: len(splits[name]) for name in encoded}
        found = decode_small(encoded, counts, settings.pixel_limit)
        if found is None:
            return source
        if found.pixels is None:
            return replace(source, channels=found.channels, size=found.size, small=True)
        for name, values in found.pixels.items():
            splits[name] = replace(splits[name], images=_tensor(values), encoded=None)
    channels, height, width = next(split.images.shape[1:] for split in splits.values() if split.images is not None)
    return replace(source, splits=splits, channels=channels, size=(height, width), small=True)


def _tensor(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    import torch

    return torch.from_numpy(pixels)
