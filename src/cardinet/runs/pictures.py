"""The pictures of a run, as they were when it began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.settings import validate
from cardinet.data.admission import left_out
from cardinet.data.settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.runs.folder import RunRecord


def open_pictures(record: RunRecord, changes: Mapping[str, Any] | None = None) -> Source:
    """The data of a run, without the pictures that it skipped, with `changes` of how they are read.

    Raises WorkError when it has changed.
    """
    settings = validate(DataSettings, {**record.recipe.get("data", {}), **(changes or {})}, "data.")
    try:
        source = open_source(settings.source, settings)
    except RequestError as error:
        raise WorkError(
            f"The data {record.source} of the run cannot be opened any more: {' '.join(error.findings)} If it has "
            "moved, name where it is now: --data SOURCE, also with train --resume DIR."
        ) from None
    if source.fingerprint != record.fingerprint:
        raise WorkError(
            f"The data {record.source} has changed since the run began, or is other data (names, sizes or classes "
            "differ). Put it back as it was, name where it is now (train --resume DIR --data SOURCE), or start a new "
            "run."
        )
    return left_out(source, frozenset(record.skipped), settings) if record.skipped else source
