"""What an engine is, and the one that needs nothing: one item after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Tell = Callable[[Any], None]
"""What a piece of work calls to say how far it is."""

Work = Callable[[Item, Tell], Result]
"""Does the work for one item."""

Heard = Callable[[Item, Any], None]
"""What is called with an item and what its work told."""


class Engine(Protocol):
    """Does work for many items. `here` says that it does it in this process."""

    here: bool

    def each(
        self, begin: Callable[[], Work[Item, Result]], items: Iterable[Item], heard: Heard[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Each item with its result, in the order in which they are done.

        A process that works calls `begin` once and keeps what it returns, such as an opened model. An item is taken
        when a process is free for it. The work must give the same result when it is done again, because an item whose
        process was lost is done again. Raises what the work raises, after which no other item begins.
        """


class OneProcess:
    """Does one item after the other in this process."""

    here = True

    def each(
        self, begin: Callable[[], Work[Item, Result]], items: Iterable[Item], heard: Heard[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """As `Engine.each`."""
        work = None
        for item in items:
            work = work or begin()
            yield item, work(item, partial(heard, item))
