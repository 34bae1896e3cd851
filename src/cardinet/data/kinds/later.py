"""Streams, which this version names but does not read."""

from __future__ import annotations

from typing import NoReturn

from cardinet.base.errors import RequestError


def refuse(rest: str) -> NoReturn:
    """Raises RequestError always."""
    raise RequestError(
        f'The source "{rest}" is a stream: webdataset: and hf: need the extra "stream" '
        "(pip install cardinet[stream]), and this version does not read streams yet. "
        "Unpack it into class folders, or use parquet:PATH."
    )
