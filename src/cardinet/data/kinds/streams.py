"""Streams (webdataset:), which this version refuses with a message."""

from __future__ import annotations

from typing import NoReturn

from cardinet.base.errors import RequestError


def refuse(rest: str) -> NoReturn:
    """Always raise RequestError."""
    raise RequestError(
        f'The source "{rest}" is a stream; this version does not read streams (webdataset:). Unpack it into class '
        "folders, or use parquet:PATH."
    )
