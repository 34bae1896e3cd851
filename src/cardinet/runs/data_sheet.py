"""data.json of a run folder: what its pictures are, as they were when it began."""

from __future__ import annotations

import base64
from pathlib import Path

from cardinet.base.schemas import Count, Document, read_document
from cardinet.data.thumbnail import Thumbnail


class FindingGroup(Document):
    """What check-data found of one kind: how many pictures, and the first of them as sentences."""

    kind: str
    bad: bool
    count: Count
    examples: tuple[str, ...]


class ShownPicture(Document):
    """A training picture as it enters the network, after augmentation and before normalisation."""

    name: str
    label: str
    png: str
    width: Count
    height: Count

    def thumbnail(self) -> Thumbnail:
        """The picture. Raises ValueError where the text is not base64."""
        return Thumbnail(base64.b64decode(self.png, validate=True), self.width, self.height)


class DataSheet(Document):
    """The pictures of each class by split, in the order of the classes; what was found in them; some of them.

    `examined` counts the pictures that were looked at one by one, 0 where they are small and were decoded at once.
    """

    counts: dict[str, tuple[Count, ...]]
    examined: Count
    findings: tuple[FindingGroup, ...]
    shown: tuple[ShownPicture, ...]


def read_data_sheet(path: Path) -> DataSheet | None:
    """The sheet in a file; None where there is none, as of runs of before. Raises WorkError for a damaged one."""
    return read_document(path, DataSheet) if path.exists() else None
