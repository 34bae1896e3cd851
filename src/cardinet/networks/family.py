"""A family: named rows of descriptions that share a paper, and the same networks under other libraries' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cardinet.networks.spec import NetworkSpec


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
    `lookalikes` maps such a name to the network here that has the same tensors by name and shape. `unbuildable` gives
    the reason why a published network cannot be built.
    """

    rows: Mapping[str, Named]
    peers: Mapping[str, str | Named]
    refused: Mapping[str, str]
    lookalikes: Mapping[str, str]
    unbuildable: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A row as a table writes it: a description, the other libraries' names for exactly this network, what is known.

    `reading`, `printed_form` and `printed_steps` are those of `Named`; `input_size` is given where it is not the
    table's. `lookalikes` are the other libraries' networks that have its tensors and compute something else.
    """

    spec: NetworkSpec
    peers: tuple[str, ...] = ()
    reading: str = ""
    input_size: int | None = None
    lookalikes: tuple[str, ...] = ()
    printed_form: Mapping[str, Any] = field(default_factory=dict)
    printed_steps: tuple[Mapping[str, Any], ...] = ()

    def named(self, id: str, family: str, paper: str, input_size: int) -> Named:
        """The row under a name of its table."""
        size = self.input_size or input_size
        return Named(id, self.spec, family, paper, size, self.reading, self.printed_form, self.printed_steps)


def row(spec: NetworkSpec, *peers: str, **known: Any) -> Row:
    """A row with the other libraries' names for it, and what is known of it: see `Row`."""
    return Row(spec, peers, **known)


def family(
    name: str,
    *,
    paper: str,
    input_size: int,
    rows: Mapping[str, NetworkSpec | Row],
    variants: Mapping[str, NetworkSpec | Row] | None = None,
    refused: Mapping[str, str] | None = None,
    unbuildable: Mapping[str, str] | None = None,
) -> Family:
    """A table of rows by id, and of other libraries' `variants`, which have no id here, by their names.

    Every name stands literally, and at this one place, so that a search for it ends here. See `Family` for the rest.
    """

    def known(table: Mapping[str, NetworkSpec | Row]) -> dict[str, Row]:
        return {id: row if isinstance(row, Row) else Row(row) for id, row in table.items()}

    ours, theirs = known(rows), known(variants or {})
    peers: dict[str, str | Named] = {peer: id for id, row in ours.items() for peer in row.peers}
    for first, row in theirs.items():
        peers |= {peer: row.named(peer, name, paper, input_size) for peer in (first, *row.peers)}
    return Family(
        {id: row.named(id, name, paper, input_size) for id, row in ours.items()},
        peers,
        refused or {},
        {other: id for id, row in (ours | theirs).items() for other in row.lookalikes},
        unbuildable or {},
    )
