"""Classes that have numbers and no names."""

from __future__ import annotations

from cardinet.base.errors import WorkError

MOST_CLASSES = 1_000_000
"""A number from this one on is no label of a class: without a bound one wrong number would fill the memory."""


def number_names(count: int, where: str) -> tuple[str, ...]:
    """The classes "0" to `count` - 1. Raises WorkError if there would be too many; `where` is what has the labels."""
    if count > MOST_CLASSES:
        raise WorkError(
            f"{where}: the label {count - 1:,} is no class; classes without names are numbered from 0, up to "
            f"{MOST_CLASSES - 1:,}. Correct the label, or name the classes."
        )
    return tuple(map(str, range(count)))
