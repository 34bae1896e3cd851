"""A family: named rows of descriptions that share a paper, and the same networks under other libraries' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Named:
    """One row: a description and what is known of it. `input_size` is the side of the paper's pictures in pixels.

    `reading` says which of several contradictory sources the row follows, and why; empty where they agree.
    `printed_form` is the delta under which the paper counts the network (RepVGG: its deployment form), `printed_steps`
    the rewrites after which it does, as they stand in a model file (ResRep: its pruned form).
    """

    id: str
    spec: Any
    family: str
    paper: str
    input_size: int
    reading: str = ""
    printed_form: Mapping[str, Any] = field(default_factory=dict)
    printed_steps: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Family:
    """The rows of one table by id, and what other libraries have.

    `peers` maps another library's name ("timm:resnet200") to the id of the same network, or to the description of
    a variant that has no id of its own. A test proves every one of them by value, so none stands here on trust.
    `refused` gives the reason where a library's network of that name is another one that is not built here.
    `lookalikes` maps such a name to the network here whose tensors, names and shapes alike, it has. `unbuildable` gives
    the reason why a published network cannot be built.
    """

    rows: Mapping[str, Named]
    peers: Mapping[str, str | Named]
    refused: Mapping[str, str]
    lookalikes: Mapping[str, str]
    unbuildable: Mapping[str, str]


def family(
    name: str,
    *,
    paper: str,
    input_size: int,
    rows: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    peers: Mapping[str, Any] | None = None,
    readings: Mapping[str, str] | None = None,
    printed_form: Mapping[str, Any] | None = None,
    printed_steps: tuple[Mapping[str, Any], ...] = (),
    refused: Mapping[str, str] | None = None,
    lookalikes: Mapping[str, str] | None = None,
    unbuildable: Mapping[str, str] | None = None,
) -> Family:
    """A table of named rows; see `Family` and `Named`.

    `readings` gives a row's reading by its id, `sizes` its input size where that is not the table's.
    """
    readings, sizes = readings or {}, sizes or {}
    if unknown := {*readings, *sizes} - set(rows):
        raise KeyError(f"readings or sizes of no row: {sorted(unknown)}")

    def named(id: str, spec: Any) -> Named:
        size, reading = sizes.get(id, input_size), readings.get(id, "")
        return Named(id, spec, name, paper, size, reading, printed_form or {}, printed_steps)

    return Family(
        {id: named(id, spec) for id, spec in rows.items()},
        {peer: same if isinstance(same, str) else named(peer, same) for peer, same in (peers or {}).items()},
        refused or {},
        lookalikes or {},
        unbuildable or {},
    )
