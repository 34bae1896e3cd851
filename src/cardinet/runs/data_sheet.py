"""data.json of a run folder: a description of the run's pictures at its beginning."""

from __future__ import annotations

import base64
from pathlib import Path

from cardinet.base.schemas import Count, Document, read_document
from cardinet.data.thumbnail import Thumbnail


class FindingGroup(Document):
    """The findings of one kind from check-data: their number, and the first of them as sentences."""

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
    """The number of pictures by split and class (in the order of the classes), the findings, and some pictures.

    `examined` counts the pictures that were inspected one by one; it is 0 for small pictures, which are decoded at
    once. `fold` is the fold of `folds` that is the validation split, if there are folds.
    """

    counts: dict[str, tuple[Count, ...]]
    examined: Count
    findings: tuple[FindingGroup, ...]
    shown: tuple[ShownPicture, ...]
    folds: Count | None = None
    fold: Count | None = None


def read_data_sheet(path: Path) -> DataSheet | None:
    """The sheet in a file; None if the file is missing, as in runs of earlier versions. Raises WorkError if damaged."""
    return read_document(path, DataSheet) if path.exists() else None
