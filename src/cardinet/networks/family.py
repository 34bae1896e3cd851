"""A family: named descriptions from one paper, and the names that other libraries give to the same networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cardinet.networks.spec import NetworkSpec


@dataclass(frozen=True)
class Named:
    """A named network: its description and the facts about it.

    `input_size` is the side of the paper's pictures in pixels. `reading` says which of several contradictory sources
    the description follows, and why; it is empty where they agree. Some papers count another form of the network.
    Then `printed_form` has the changes that give this form (RepVGG: deployment), or `printed_steps` the rewrites that
    give it, as a model file holds them (ResRep: pruned).
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
    """The networks of one family by id, and the related networks of other libraries.

    `peers` maps another library's name ("timm:resnet200") to the id of the same network, or to the description of
    a variant that has no id here. A test compares the values of every peer with the library's. `refused` maps the name
    of a library's network that cannot be built here to the reason. `lookalikes` maps the name of a library's network
    to the network here that has tensors of the same names and shapes, but computes something else. `unbuildable` maps
    a published network that cannot be built to the reason.
    """

    rows: Mapping[str, Named]
    peers: Mapping[str, str | Named]
    refused: Mapping[str, str]
    lookalikes: Mapping[str, str]
    unbuildable: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A row of a family's table: a description, other libraries' names for this network, and facts about it.

    `reading`, `printed_form` and `printed_steps` are those of `Named`. `input_size` is given where it differs from
    the table's. `lookalikes` are networks of other libraries that have its tensors and compute something else.
    """

    spec: NetworkSpec
    peers: tuple[str, ...] = ()
    reading: str = ""
    input_size: int | None = None
    lookalikes: tuple[str, ...] = ()
    printed_form: Mapping[str, Any] = field(default_factory=dict)
    printed_steps: tuple[Mapping[str, Any], ...] = ()

    def named(self, id: str, family: str, paper: str, input_size: int) -> Named:
        """The network of this row, with its id and the facts of its table."""
        size = self.input_size or input_size
        return Named(id, self.spec, family, paper, size, self.reading, self.printed_form, self.printed_steps)


def row(spec: NetworkSpec, *peers: str, **known: Any) -> Row:
    """A row with other libraries' names for the network and the facts about it; see `Row`."""
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
    """A family from a table of rows by id, and a table of `variants`: networks of other libraries without an id here.

    Write every name in full and only in these tables, so that a text search finds it. See `Family` for the rest.
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
