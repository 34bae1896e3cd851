"""data.json of a run folder: what its pictures are, as they were when it began."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from cardinet.base.errors import WorkError
from cardinet.base.settings import Settings, explain
from cardinet.data.thumbnail import Thumbnail

Natural = Annotated[int, Field(ge=0, lt=2**53)]
LARGEST = 256 << 20
"""Bytes of the file; a larger one is none of ours."""


class FindingGroup(Settings):
    """What check-data found of one kind: how many pictures, and the first of them as sentences."""

    kind: str
    bad: bool
    count: Natural
    examples: tuple[str, ...]


class ShownPicture(Settings):
    """A training picture as it enters the network, after augmentation and before normalisation."""

    name: str
    label: str
    png: str
    width: Natural
    height: Natural

    def thumbnail(self) -> Thumbnail:
        """The picture. Raises ValueError where the text is no base64."""
        return Thumbnail(base64.b64decode(self.png, validate=True), self.width, self.height)


class DataSheet(Settings):
    """The pictures of each class by split, in the order of the classes; what was found in them; some of them.

    `examined` counts the pictures that were looked at one by one, 0 where they are small and were decoded at once.
    """

    counts: dict[str, tuple[Natural, ...]]
    examined: Natural
    findings: tuple[FindingGroup, ...]
    shown: tuple[ShownPicture, ...]


def read_data_sheet(path: Path) -> DataSheet | None:
    """The sheet in a file; None where there is none, as of runs of before. Raises WorkError for a damaged one."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror}.") from None
    if len(text) > LARGEST:
        raise WorkError(f"{path} is damaged: it is larger than any that a run writes.")
    try:
        return DataSheet.model_validate_json(text)
    except ValidationError as error:
        raise WorkError(f"{path} is damaged: {explain(error, []).findings[0]}") from None
