"""Labels that are written as text: numbers of classes, or their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cardinet.data.kinds.class_numbers import MOST_CLASSES
from cardinet.data.labelling import Labels

Mask = npt.NDArray[np.bool_]


class TextLabels:
    """The labels of one split: the different texts, and for each sample the place of its text among them."""

    def __init__(self, labels: Sequence[npt.NDArray[np.bytes_]]) -> None:
        whole = np.concatenate([np.empty(0, dtype=np.bytes_), *labels])
        texts, places = np.unique(whole, return_inverse=True)
        self.texts: list[str] = [bytes(text).decode("utf-8", "backslashreplace") for text in texts]
        self.places = places.astype(np.int64)

    def text(self, index: int) -> str:
        """The label of one sample, as it is written."""
        return self.texts[int(self.places[index])]


@dataclass
class NumberedLabels:
    """The classes, and by split: the labels as their numbers, the samples whose label is none, unknown names.

    `mixed` are two texts, a number and a name, if the labels have both and nothing says how they belong together.
    """

    classes: tuple[str, ...]
    labels: dict[str, Labels] = field(default_factory=dict)
    wrong: dict[str, Mask] = field(default_factory=dict)
    unknown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mixed: tuple[str, str] | None = None


def numbered(written: Mapping[str, TextLabels], names: Sequence[str] | None) -> NumberedLabels:
    """The labels as numbers, "train" being one of the splits.

    With `names` a label is one of them, or the number of one. Without them whole numbers are the classes 0 to the
    highest of the train split; names are sorted. Names that the train split lacks are `unknown`, and numbers outside
    the classes `wrong`.
    """
    texts = [text for labels in written.values() for text in labels.texts]
    numbers, words = [t for t in texts if is_whole(t)], [t for t in texts if not is_whole(t)]
    train = written["train"].texts
    by_number = names is not None or not words
    if names is not None:
        classes = tuple(names)
    elif by_number:
        classes = tuple(map(str, range(1 + max((n for n in map(int, train) if n < MOST_CLASSES), default=-1))))
    else:
        classes = tuple(sorted(train))
    found = NumberedLabels(classes)
    if numbers and words and names is None:
        found.mixed = (numbers[0], words[0])
    place = {name: number for number, name in enumerate(classes)}
    for split, labels in written.items():
        table = np.array([_number(text, place, by_number) for text in labels.texts], dtype=np.int64)
        found.labels[split] = table[labels.places]
        if by_number:
            found.wrong[split] = found.labels[split] < 0
        else:
            found.wrong[split] = np.zeros(len(labels.places), dtype=np.bool_)
            found.unknown[split] = tuple(text for text in labels.texts if text not in place)
    return found


def is_whole(text: str) -> bool:
    """Whether a text is a whole number of usual size."""
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19


def _number(text: str, place: Mapping[str, int], by_number: bool) -> int:
    """The class of a label; -1 without one."""
    if by_number and text not in place and is_whole(text):
        return int(text) if 0 <= int(text) < len(place) else -1
    return place.get(text, -1)
