"""The request of a prediction, which is checked completely before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import parse_group, validate
from cardinet.data.data_settings import DataSettings
from cardinet.data.picture_inputs import PictureInput, picture_inputs
from cardinet.evaluate.opening import AskedModel, Opened, OpenedSoFar, opened
from cardinet.runs.answer_table import check_table

if TYPE_CHECKING:
    from cardinet.data.picture_inputs import Pictures


READ = ("pixel_limit", "picture_column", "root")
"""The settings of a prediction: the largest picture, and how a table (csv:FILE) is read."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model, the pictures to classify, and the largest allowed number of pixels of a picture."""

    opened: Opened
    pictures: list[PictureInput]
    pixel_limit: int


def resolve(
    model: str | os.PathLike[str],
    pictures: Pictures,
    *,
    words: Sequence[str] = (),
    out: Path | None = None,
    device: str = "cpu",
    compare: bool = True,
) -> Prepared:
    """The model and the pictures, opened; `words` are settings (`READ`) as a user writes them, `out` a table of the
    answers. Raises RequestError or WorkError with everything that is wrong.
    """
    read = DataSettings()
    found: list[PictureInput] = []

    def check_settings() -> None:
        nonlocal read
        read = _settings(words)

    def check_places(parts: OpenedSoFar) -> None:
        findings = Findings()
        with findings:
            found.extend(picture_inputs(pictures, picture_column=read.picture_column, root=read.root))
        with findings:
            if out is not None:
                check_table(out)
        findings.raise_if_any()

    asked = AskedModel(model=model, device=device, compare=compare)
    return Prepared(opened(asked, check=check_settings, check_all=check_places), found, read.pixel_limit)


def _settings(words: Sequence[str]) -> DataSettings:
    """The settings of a prediction. Raises RequestError for any other."""
    asked = parse_group(words, "data")
    if others := [key for key in asked if key not in READ]:
        raise RequestError(
            f"--set {', '.join(others)}: predict has only the settings {', '.join(READ)}; omit the others."
        )
    return validate(DataSettings, asked)
