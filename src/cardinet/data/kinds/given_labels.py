"""The label of a picture as a program gives it: one class, a list of classes, or a mark for each class.

Its type says which: a whole number is one class; a list, tuple or set has the numbers of the classes in the picture; an
array or tensor of one dimension has 1 for each class in the picture and 0 for each other one.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cardinet.data.decode import PictureError
from cardinet.data.labelling import Labels
from cardinet.data.labelling.several import matrix

Value = tuple[int, ...]
"""The label of one picture as numbers: its class, its classes, or its marks."""


class GivenLabel:
    """A way to give the label of a picture."""

    WORDS = ""

    def read(self, label: Any) -> Value:
        """The label of one picture as numbers. Raises PictureError for a label that is given in another way."""
        raise NotImplementedError

    def classes(self, values: Sequence[Value]) -> int:
        """The number of classes that the labels need."""
        raise NotImplementedError

    def labels(self, values: Sequence[Value], classes: int) -> Labels:
        """The labels of all pictures."""
        raise NotImplementedError

    def stated(self, values: Any, count: int) -> list[Value] | None:
        """The labels in an attribute of a data set of `count` items; None if these are no labels of this kind."""
        return None


class OneNumber(GivenLabel):
    """A whole number."""

    WORDS = "a whole number"

    def read(self, label: Any) -> Value:
        try:
            if isinstance(label, bool | float):
                raise TypeError
            number = operator.index(label.item() if hasattr(label, "item") else label)
        except (TypeError, ValueError, RuntimeError):
            raise PictureError("wrong-label", f"its label is {kind(label)}, and not {self.WORDS}") from None
        if number < 0:
            raise PictureError("wrong-label", f"its label is {number}; labels begin at 0")
        return (number,)

    def classes(self, values: Sequence[Value]) -> int:
        return max(number for (number,) in values) + 1

    def labels(self, values: Sequence[Value], classes: int) -> Labels:
        return np.array([number for (number,) in values], dtype=np.int64)

    def stated(self, values: Any, count: int) -> list[Value] | None:
        found = np.asarray(values)
        if found.shape != (count,) or not np.issubdtype(found.dtype, np.integer):
            return None
        return [(number,) for number in found.tolist()]


class ListOfNumbers(GivenLabel):
    """A list, tuple or set of whole numbers."""

    WORDS = "a list of whole numbers"

    def read(self, label: Any) -> Value:
        if not isinstance(label, list | tuple | set | frozenset):
            raise PictureError("wrong-label", f"its label is {kind(label)}, and not {self.WORDS}")
        found = tuple(number for one in label for number in ONE_NUMBER.read(one))
        if twice := [number for number in found if found.count(number) > 1]:
            raise PictureError(
                "wrong-label",
                f"its list of labels names {twice[0]} twice; marks of 0 and 1 are an array or a tensor, not a list",
            )
        return tuple(sorted(found))

    def classes(self, values: Sequence[Value]) -> int:
        return max((number for value in values for number in value), default=-1) + 1

    def labels(self, values: Sequence[Value], classes: int) -> Labels:
        return matrix(values, classes)


class Marks(GivenLabel):
    """An array or a tensor with a 0 or 1 for each class."""

    WORDS = "an array or tensor of 0 and 1"

    def read(self, label: Any) -> Value:
        values = None if isinstance(label, list | tuple | set | frozenset) else np.asarray(label)
        if values is None or values.ndim != 1 or not len(values) or not np.isin(values, (0, 1)).all():
            raise PictureError("wrong-label", f"its label is {kind(label)}, and not {self.WORDS}, one for each class")
        return tuple(int(mark) for mark in values.tolist())

    def classes(self, values: Sequence[Value]) -> int:
        return max(map(len, values))

    def labels(self, values: Sequence[Value], classes: int) -> Labels:
        return np.array([[*value, *(0,) * (classes - len(value))] for value in values], dtype=np.uint8)

    def stated(self, values: Any, count: int) -> list[Value] | None:
        found = np.asarray(values)
        if found.ndim != 2 or len(found) != count or not np.isin(found, (0, 1)).all():
            return None
        return [tuple(row) for row in found.astype(np.int64).tolist()]


ONE_NUMBER, LIST, MARKS = OneNumber(), ListOfNumbers(), Marks()


def way_of(label: Any) -> GivenLabel:
    """The way in which a label is given."""
    if isinstance(label, list | tuple | set | frozenset):
        return LIST
    return MARKS if getattr(label, "ndim", 0) == 1 and len(label) != 1 else ONE_NUMBER


def kind(value: Any) -> str:
    """A value in words: itself if it is small, else its type."""
    shown = f" of {len(value)}" if isinstance(value, Sequence) and not isinstance(value, str) else ""
    return f"{value!r:.40}" if isinstance(value, str | float | bool | None) else f"a {type(value).__name__}{shown}"
