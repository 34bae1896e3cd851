"""Data sets that a Python program holds: any `torch.utils.data.Dataset` of (picture, label)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardinet.base.errors import Findings, RequestError, WorkError, nearest
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import PictureError, to_mode
from cardinet.data.kinds.class_numbers import number_names
from cardinet.data.kinds.class_problems import class_problems, count_problems
from cardinet.data.kinds.given_labels import GivenLabel, Value, kind, way_of
from cardinet.data.kinds.split_names import split_of
from cardinet.data.labelling import Rows
from cardinet.data.modes import is_grey
from cardinet.data.picture_inputs import picture_inputs
from cardinet.data.source_listing import Listing, Numbered, SplitPictures, fingerprint
from cardinet.data.splitting import spread_rows

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    Given = str | Path | Dataset[Any] | Mapping[str, Dataset[Any]]
    """A source as a program gives it; see `source_text`."""

LOOKED_AT = 256
"""The pictures of each split that are part of a data set's fingerprint."""

SHOWN = 3
"""The faults of a data set that are named; the others are counted."""

_held: dict[str, Listing] = {}
"""The data sets that this program has named as sources, by name."""


def source_text(data: Given, classes: Iterable[str] | None = None) -> str:
    """The text of a source that a program gives: a text or path as it is, a data set as `dataset:NAME`.

    A data set has a length, and its items are (picture, label): a Pillow picture, an array (H, W) or (H, W, C) or a
    tensor (C, H, W), of uint8 or floating-point numbers from 0 to 1, and a label: a whole number, or for several labels
    a list of whole numbers or an array of 0 and 1 for each class (`given_labels`). A mapping of data sets by
    split ("train", "test") is a source with splits. `classes` are the names of the labels, else the attribute
    `classes` of the (train) data set, else the numbers. The data set stays in memory as long as the program runs.

    NAME has a fingerprint over the number of items, all labels, the classes and the pixels of 256 pictures of each
    split, so these are read here. Labels are those of the attribute `targets` or `labels` if there is one and the items
    agree with it; without one every item is read once. Raises RequestError or WorkError with all faults.
    """
    if isinstance(data, str | Path):
        return str(data)
    parts = dict(data) if isinstance(data, Mapping) else {"train": data}
    for dataset in parts.values():
        _check_kind(dataset)
    known = [split_of(str(key)) for key in parts]
    if None in known or len(set(known)) < len(known) or "train" not in known:
        raise RequestError(f"{', '.join(map(str, parts))}: a mapping has data sets for train, validation and test.")
    findings = Findings()
    read: dict[str, _Read] = {}
    for split, dataset in zip(map(str, known), parts.values(), strict=True):
        with findings:
            read[split] = _read(dataset)
    findings.raise_if_any()
    if len({one.way for one in read.values()}) > 1:
        ways = "; ".join(f"{split}: {one.way.WORDS}" for split, one in read.items())
        raise RequestError(f"The splits give labels in different ways ({ways}); give all in one way.")
    listing = _listing(read, _classes(classes, read))
    name = f"{read['train'].pictures.name}-{listing.fingerprint[:8]}"
    _held[name] = listing
    return f"dataset:{name}"


def list_dataset(name: str) -> Listing:
    """The data set of this name. Raises RequestError if this program has named none so."""
    if name not in _held:
        near = f" ({nearest(name, _held)})" if _held else ""
        raise RequestError(
            f'The data set "{name}" was given by a Python program{near}; give it again there: data=DATASET, also with '
            "cardinet.train(resume=RUN, data=DATASET)."
        )
    return _held[name]


class DatasetPictures:
    """The pictures of a data set as uncompressed files, so that they pass through the one way of all pictures.

    One thread at a time reads, as data sets need not be made for several.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.name = type(dataset).__name__
        self._one = threading.Lock()

    def item(self, index: int) -> tuple[Any, Any]:
        """One item. Raises PictureError if the data set raises anything, or if it is no pair."""
        try:
            with self._one:
                item = self.dataset[index]
        except Exception as error:  # it is the user's code
            text = str(error).splitlines()[0] if str(error) else "no reason"
            raise PictureError("damaged", f"the data set raises {type(error).__name__} ({text})") from error
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
            raise PictureError("damaged", f"it is {kind(item)}, and not (picture, label)")
        return item[0], item[1]

    def read(self, index: int) -> bytes:
        """The picture of one item as a file. Raises PictureError."""
        return encoded(self.item(index)[0])

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _one=threading.Lock())


def encoded(picture: Any) -> bytes:
    """A picture of a program, upright and in grey or RGB, as an uncompressed file (PGM, PPM). Raises PictureError."""
    try:
        (given,) = picture_inputs([picture])
    except (RequestError, ValueError) as error:
        raise PictureError("wrongly-typed", str(error).rstrip(".")) from None
    image = given.image(DataSettings().pixel_limit)
    image = to_mode(image, 1 if is_grey(image) else 3)
    return b"P%d %d %d 255\n" % (5 if image.mode == "L" else 6, *image.size) + image.tobytes()


def _check_kind(dataset: Any) -> None:
    """Raise RequestError if this is no data set."""
    whole = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    if not whole or isinstance(dataset, Sequence | Mapping | bytes):
        raise RequestError(
            f"{dataset!r:.80} is no source of pictures; give its text, a path, or a data set with a length and items "
            "(picture, label), such as a torch.utils.data.Dataset."
        )


@dataclass(frozen=True, eq=False)
class _Read:
    """What was read of a data set: its pictures, its labels and the way of giving them, a digest of some pictures."""

    pictures: DatasetPictures
    way: GivenLabel
    values: list[Value]
    digest: str


def _read(dataset: Any) -> _Read:
    """A data set, with its labels read. Raises RequestError or WorkError."""
    name = type(dataset).__name__
    if not len(dataset):
        raise RequestError(f"{name} has no items.")
    pictures = DatasetPictures(dataset)
    some = spread_rows(len(dataset), LOOKED_AT)
    digest = hashlib.sha256()
    way: GivenLabel | None = None

    def look(place: int) -> Value:
        nonlocal way
        picture, label = pictures.item(place)
        way = way or way_of(label)
        digest.update(encoded(picture))
        return way.read(label)

    values = _collected(name, some, look)
    assert way is not None
    known, stated = way, _stated(dataset, way)
    if _first_again(pictures, int(some[0])):
        raise RequestError(
            f"{name} gives another picture each time that it is asked for the same one (a random transform); remove it "
            "and use augmentations: `cardinet settings augmentation`."
        )
    if stated is not None and [stated[place] for place in some.tolist()] == values:
        return _Read(pictures, known, stated, digest.hexdigest())
    if len(some) < len(dataset):
        values = _collected(name, np.arange(len(dataset)), lambda place: known.read(pictures.item(place)[1]))
    return _Read(pictures, known, values, digest.hexdigest())


def _collected(name: str, rows: Rows, look: Callable[[int], Value]) -> list[Value]:
    """The labels of some items. Raises WorkError that names the first items without one, and counts the others."""
    labels, faults = [], []
    for place in rows.tolist():
        try:
            labels.append(look(place))
        except PictureError as error:
            faults.append(f"item {place:,} of {name}: {error.kind}: {error.detail}.")
    if faults:
        raise WorkError(*faults[:SHOWN], *([f"... and {len(faults) - SHOWN:,} more."] if len(faults) > SHOWN else []))
    return labels


def _first_again(pictures: DatasetPictures, place: int) -> bool:
    """Whether an item is another picture when it is read again."""
    return len({pictures.read(place) for _ in range(3)}) > 1


def _stated(dataset: Any, way: GivenLabel) -> list[Value] | None:
    """The labels in an attribute, also those of a `torch.utils.data.Subset`; None without one that fits."""
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
        whole = _stated(dataset.dataset, way)
        return None if whole is None else [whole[int(row)] for row in dataset.indices]
    for name in ("targets", "labels"):
        given = getattr(dataset, name, None)
        try:
            found = None if given is None else way.stated(given, len(dataset))
        except (TypeError, ValueError):  # values of several lengths are no array
            continue
        if found is not None:
            return found
    return None


def _classes(given: Iterable[str] | None, read: Mapping[str, _Read]) -> tuple[str, ...]:
    """The names of the labels. Raises RequestError if two are the same or one is missing."""
    train = read["train"]
    dataset = train.pictures.dataset
    whole = getattr(dataset, "dataset", dataset)  # a Subset has no classes of its own
    names = given if given is not None else getattr(dataset, "classes", getattr(whole, "classes", None))
    most = max(one.way.classes(one.values) for one in read.values())
    if names is None or isinstance(names, str):
        return number_names(train.way.classes(train.values), train.pictures.name)
    found = tuple(str(name) for name in names)
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise RequestError(
            f'Two classes of {train.pictures.name} are called "{twice}"; give each its own name: classes=[...].'
        )
    if most > len(found):
        raise RequestError(
            f"{train.pictures.name} has the label {most - 1} and names {len(found)} classes; give as many names: "
            "classes=[...]."
        )
    return found


def _listing(read: Mapping[str, _Read], classes: tuple[str, ...]) -> Listing:
    parts: dict[str, SplitPictures] = {}
    problems = []
    for split in ("train", "validation", "test"):
        if split in read:
            one = read[split]
            pictures, count = one.pictures, len(one.values)
            prefix = f"{pictures.name} item " if len(read) == 1 else f"{pictures.name} {split} item "
            labels = one.way.labels(one.values, len(classes))
            parts[split] = SplitPictures(Numbered(prefix, count), labels, encoded=pictures)
            problems += class_problems(split, parts[split], classes, (), "items")
    problems += count_problems(read["train"].pictures.name, classes, parts)
    entries = [f"{split}\t{len(one.values)}\t{one.digest}" for split, one in read.items()]
    identity = fingerprint(classes, entries, *(part.labels.tobytes() for part in parts.values()))
    return Listing(classes, parts, identity, tuple(problems), unsplit=len(parts) == 1)
