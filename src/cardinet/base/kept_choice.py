"""Choices that were measured on this machine and are kept, so that each is measured once and then stays the same."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from cardinet.base.cache import cache_folder
from cardinet.base.documents import DocumentError, parse_json, read_bytes, to_json
from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.base.schemas import Document, conform


class KeptChoice(Document):
    """A choice and what it was measured for: the machine, the versions and all else that it depends on."""

    version: int
    measured_for: dict[str, Any]


Kept = TypeVar("Kept", bound=KeptChoice)


def file_of(kind: str, conditions: dict[str, Any]) -> Path | None:
    """The file of the choice of a kind for these conditions; None without a cache."""
    try:
        return cache_folder(kind) / f"{hashlib.sha256(to_json(conditions).encode()).hexdigest()[:32]}.json"
    except WorkError:
        return None


def kept(kind: str, conditions: dict[str, Any], schema: type[Kept], version: int) -> Kept | None:
    """The choice that was kept for these conditions; None if there is none, or a damaged or an old one."""
    file = file_of(kind, conditions)
    if file is None:
        return None
    try:
        choice: Kept = conform(schema, parse_json(read_bytes(file)))
    except (OSError, DocumentError):
        return None
    return choice if (choice.version, choice.measured_for) == (version, conditions) else None


def keep(kind: str, choice: KeptChoice) -> None:
    """Keep a choice, if there is a cache."""
    file = file_of(kind, choice.measured_for)
    if file is not None:
        with suppress(WorkError):  # then it is measured again
            write_atomic(file, to_json(choice.model_dump(mode="json")))
