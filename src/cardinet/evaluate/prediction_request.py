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
    """The model and the pictures, opened; `words` are settings as a user writes them ("pixel_limit=1000"), `out` a
    table of the answers. Raises RequestError or WorkError with everything that is wrong.
    """
    limit = DataSettings().pixel_limit
    found: list[PictureInput] = []

    def check_settings() -> None:
        nonlocal limit
        limit = _pixel_limit(words)

    def check_places(parts: OpenedSoFar) -> None:
        findings = Findings()
        with findings:
            found.extend(picture_inputs(pictures))
        with findings:
            if out is not None:
                check_table(out)
        findings.raise_if_any()

    asked = AskedModel(model=model, device=device, compare=compare)
    return Prepared(opened(asked, check=check_settings, check_all=check_places), found, limit)


def _pixel_limit(words: Sequence[str]) -> int:
    """The setting pixel_limit, the only one of a prediction. Raises RequestError for any other."""
    asked = parse_group(words, "data")
    if others := [key for key in asked if key != "pixel_limit"]:
        raise RequestError(f"--set {', '.join(others)}: predict has only the setting pixel_limit; omit the others.")
    return validate(DataSettings, asked).pixel_limit
