"""Pictures of a split for a sheet."""

from __future__ import annotations

from collections.abc import Sequence

from cardinet.data.source import Split
from cardinet.data.thumbnail import thumbnail
from cardinet.explain.figures import Picture


def picture_of(split: Split, index: int, caption: Sequence[str] = (), *, right: bool | None = None) -> Picture:
    """One picture of a split, small. Raises WorkError if it cannot be decoded."""
    small = thumbnail(split.picture(index))
    return Picture(small.png, small.width, small.height, caption, right)
