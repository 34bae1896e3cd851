"""Data sets of a program as sources: the same pixels and labels as class folders, their names, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import absolute, datasets, list_source
from cardinet.data.source import Source, open_source
from data.pictures import noise

Item = tuple[Any, Any]


class Pictures(Dataset[Item]):
    """A data set of given items, which may state its labels."""

    def __init__(self, items: Sequence[Any], classes: Sequence[str] | None = None, **stated: Any) -> None:
        self.items = list(items)
        self.reads = 0
        self.__dict__.update(stated)
        if classes is not None:
            self.classes = list(classes)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        item = self.items[index]
        if isinstance(item, Exception):
            raise item
        return item() if callable(item) else item


def opened(data: Any, classes: Sequence[str] | None = None, **settings: Any) -> Source:
    return open_source(cardinet.source(data, classes), DataSettings(**settings))


FORMS: Mapping[str, Callable[[Image.Image], Any]] = {
    "pillow": lambda image: image,
    "array": np.asarray,
    "tensor": lambda image: torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1),
    "float": lambda image: torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255,
}
LABELS: Sequence[Callable[[int], Any]] = (int, np.int64, torch.tensor, lambda label: np.array(label, dtype=np.uint8))


@pytest.mark.parametrize("form", FORMS)
def test_a_data_set_gives_the_pixels_and_labels_of_the_class_folders(photographs: Path, form: str) -> None:
    folders = open_source(str(photographs), DataSettings())
    mapping = {}
    for split, key in (("train", "train"), ("validation", "val")):
        whole = folders.splits[split]
        items = [
            (FORMS[form](whole.picture(i)), LABELS[i % len(LABELS)](int(whole.labels[i]))) for i in range(len(whole))
        ]
        mapping[key] = Pictures(items, folders.classes)
    source = opened(mapping)
    assert (source.classes, list(source.splits), source.unsplit) == (folders.classes, ["train", "validation"], False)
    for split, one in source.splits.items():
        other = folders.splits[split]
        assert one.labels.tolist() == other.labels.tolist()
        for i in range(len(one)):
            assert np.array_equal(np.asarray(one.picture(i)), np.asarray(other.picture(i)))
    assert len(FORMS) == 4


def small(count: int = 40, seed: int = 0) -> list[Item]:
    return [(noise(12, 10, seed=seed + i), i % 2) for i in range(count)]


def test_small_pictures_are_in_memory_and_divided() -> None:
    source = opened(Pictures(small()), ["ant", "bee"])
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 32, "validation": 4, "test": 4}
    assert (source.small, source.size, source.channels, source.classes) == (True, (10, 12), 3, ("ant", "bee"))
    assert source.text.startswith("dataset:Pictures-")
    assert absolute(source.text) == source.text
    assert open_source(source.text, DataSettings()).fingerprint == source.fingerprint
    images = source.splits["test"].images
    assert images is not None
    row = int(source.splits["test"].names[2].removeprefix("Pictures item "))
    assert np.array_equal(images[2].permute(1, 2, 0).numpy(), np.asarray(small()[row][0]))
    grey = opened(Pictures([(np.asarray(picture)[:, :, 0], label) for picture, label in small()]))
    assert (grey.channels, grey.classes) == (1, ("0", "1"))


def test_the_fingerprint_knows_pictures_labels_classes_and_splits() -> None:
    sets: dict[str, Any] = {
        "plain": Pictures(small()),
        "fewer": Pictures(small(39)),
        "pixels": Pictures(small(seed=1)),
        "labels": Pictures([(picture, 1 - label) for picture, label in small()]),
        "named": Pictures(small(), ["ant", "bee"]),
        "split": {"train": Pictures(small()), "test": Pictures(small(4))},
    }
    prints = {name: list_source(cardinet.source(data)).fingerprint for name, data in sets.items()}
    assert len(set(prints.values())) == 6
    assert list_source(cardinet.source(Pictures(small()))).fingerprint == prints["plain"]


def test_stated_labels_are_believed_if_the_items_agree() -> None:
    picture = noise(12, 10)
    items = [(picture, i % 3) for i in range(600)]
    right = Pictures(items, targets=[i % 3 for i in range(600)])
    wrong = Pictures(items, targets=torch.zeros(600, dtype=torch.int64))
    found = [list_source(cardinet.source(data)) for data in (right, wrong)]
    assert [listing.parts["train"].labels.tolist() for listing in found] == [[i % 3 for i in range(600)]] * 2
    assert right.reads == datasets.LOOKED_AT + 3
    assert wrong.reads == datasets.LOOKED_AT + 3 + 600
    part = list_source(
        cardinet.source(Subset(Pictures(items, list("abc"), labels=np.arange(600) % 3), range(0, 600, 7)))
    )
    assert part.parts["train"].labels.tolist() == [i % 3 for i in range(0, 600, 7)]
    assert part.classes == ("a", "b", "c")


def test_a_source_of_a_data_set_goes_to_workers() -> None:
    encoded = list_source(cardinet.source(Pictures(small(4)))).parts["train"].encoded
    assert encoded is not None
    assert pickle.loads(pickle.dumps(encoded)).read(3) == encoded.read(3)  # noqa: S301


def later() -> Any:
    """Works twice, as often as the fingerprint looks, and then never again."""
    later.count = getattr(later, "count", 0) + 1  # type: ignore[attr-defined]
    if later.count > 1:  # type: ignore[attr-defined]
        raise OSError("the disk is gone")
    return noise(80, 70), 1


def test_an_item_that_fails_is_a_bad_picture_with_its_name() -> None:
    items = [(noise(80, 70, seed=i), i % 2) for i in range(8)]
    report = check(cardinet.source(Pictures([*items, later])), DataSettings(test=0.0, validation=0.0), workers=2)
    assert [finding.sentence() for finding in report.bad()] == [
        "Pictures item 8: damaged: the data set raises OSError (the disk is gone)."
    ]


def drawn() -> Any:
    drawn.count = getattr(drawn, "count", 0) + 1  # type: ignore[attr-defined]
    return noise(12, 10, seed=drawn.count), 0  # type: ignore[attr-defined]


P = noise(12, 10)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, ["3 is no source of pictures; give its text, a path, or a data set"]),
        ([(P, 0)], ["is no source of pictures"]),
        (Pictures([]), ["Pictures has no items"]),
        ({"first": Pictures(small())}, ["first: a mapping has data sets for train, validation and test"]),
        ({"val": Pictures(small())}, ["val: a mapping has data sets"]),
        (Pictures([drawn, (P, 1)]), ["another picture each time", "random transform"]),
        (Pictures([{"image": P, "label": 1}]), ["item 0 of Pictures: damaged: it is a dict, and not (picture, label)"]),
        (Pictures([(P, 0, 1)]), ["it is a tuple of 3, and not (picture, label)"]),
        (Pictures([(P, "ant")] * 5), ["item 0 of", "its label is 'ant'", "item 1", "item 2", "... and 2 more."]),
        (Pictures([(P, 0), (P, torch.ones(3)), (P, -1)]), ["its label is a Tensor", "its label is -1; labels beg"]),
        (Pictures([(P, 0), (P, 0.5), (P, None)]), ["its label is 0.5", "its label is None"]),
        (Pictures([(P, 0), ValueError("bad\nday")]), ["item 1 of", "the data set raises ValueError (bad)"]),
        (Pictures([(torch.randn(3, 5, 5), 0)]), ["before it is normalised"]),
        (Pictures([(np.zeros((5, 5, 3), np.int32), 0)]), ["an array of int32 is not a picture"]),
        (Pictures([(P, 0), (P, 2)], "ab"), ["the label 2 and names 2 classes; give as many names"]),
        (Pictures([(P, 0), (P, 1)], "aa"), ['called "a"; give each its own name']),
        ({"train": Pictures([(P, "x")]), "test": Pictures([(P, "y")])}, ["its label is 'x'", "its label is 'y'"]),
    ],
)  # fmt: skip
def test_what_cannot_be_a_source_says_why(data: Any, words: list[str]) -> None:
    with pytest.raises(CardinetError) as error:
        cardinet.source(data)
    for part in words:
        assert part in str(error.value)


def test_one_class_is_refused_and_a_name_of_another_program_is_explained() -> None:
    with pytest.raises(WorkError, match='only one class, "0"'):
        opened(Pictures([(noise(12, 10, seed=i), 0) for i in range(4)]))
    with pytest.raises(RequestError, match=r'"Flowers-1a2b3c4d" was given by a Python program.*resume=RUN, data=D'):
        list_source("dataset:Flowers-1a2b3c4d")
