"""Side work that may take a while deep in the house, such as the index of many shards, told to whoever shows it.

It is to progress what `Notice` is to words: the rooms between need not pass it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

Tell = Callable[[str, int, int], None]
"""Hears of what is done, how much of it, and of how much."""

_tell: ContextVar[Tell | None] = ContextVar("side work", default=None)


@contextmanager
def heard(tell: Tell) -> Iterator[None]:
    """Let `tell` hear of the side work of this thread."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def counted(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    """The items, unchanged. The listener hears of each before its work, and at the end, however it ends, of all."""
    tell = _tell.get()
    if tell is None or not total:
        yield from items
        return
    try:
        for done, item in enumerate(items):
            tell(what, done, total)
            yield item
    finally:
        tell(what, total, total)
