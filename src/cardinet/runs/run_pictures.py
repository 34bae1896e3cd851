"""Open the pictures of a run, and check that they have not changed since it began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.settings import validate
from cardinet.data.admission import without_pictures
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.runs.folder import RunRecord


def open_pictures(record: RunRecord, changes: Mapping[str, Any] | None = None) -> Source:
    """The data of a run, without the pictures that it skipped. `changes` override the run's data settings.

    Raises WorkError if the data cannot be opened or has changed.
    """
    settings = validate(DataSettings, {**record.recipe.get("data", {}), **(changes or {})}, "data.")
    try:
        source = open_source(settings.source, settings)
    except RequestError as error:
        raise WorkError(
            f"The data {record.source} of the run can no longer be opened: {' '.join(error.findings)} If it has "
            "moved, name its new place: --data SOURCE, also with train --resume DIR."
        ) from None
    if source.fingerprint != record.fingerprint:
        raise WorkError(
            f"The data {record.source} has changed since the run began, or is other data (names, sizes or classes "
            "differ). Restore it, name its new place (train --resume DIR --data SOURCE), or start a new run."
        )
    return without_pictures(source, frozenset(record.skipped), settings) if record.skipped else source
