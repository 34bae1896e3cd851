"""Streams, which this version names but does not read."""

from __future__ import annotations

from typing import NoReturn

from cardinet.base.errors import RequestError


def refuse(rest: str) -> NoReturn:
    """Raises RequestError always."""
    raise RequestError(
        f'The source "{rest}" is a stream; this version reads no streams (webdataset:, hf:). Unpack it into class '
        "folders, or use parquet:PATH."
    )
