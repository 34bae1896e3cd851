"""A family: named rows of descriptions that share a paper and an input size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Named:
    """One row: a description and what is known of it. `input_size` is the side of the paper's pictures in pixels."""

    id: str
    spec: Any
    family: str
    paper: str
    input_size: int


@dataclass(frozen=True)
class Family:
    """The rows of one table by id, and other libraries' names for the same networks."""

    rows: Mapping[str, Named]
    aliases: Mapping[str, str]


def family(
    name: str, *, paper: str, input_size: int, rows: Mapping[str, Any], aliases: Mapping[str, str] | None = None
) -> Family:
    """A table of named rows; `aliases` maps another library's name to an id where both mean the same network."""
    named = {id: Named(id, spec, name, paper, input_size) for id, spec in rows.items()}
    return Family(named, aliases or {})
