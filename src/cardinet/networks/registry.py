"""All named networks, by id or by another library's name for the same network. An id comes first.

"timm:NAME", "torchvision:NAME" and "pytorchcv:NAME" mean exactly that library's network. It has an id here, or it is a
variant without one.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from cardinet.base.errors import RequestError, nearest
from cardinet.networks.families import (
    alexnet,
    deeply_fused,
    densenet,
    fractalnet,
    googlenet,
    highway,
    inception_resnet,
    inception_v3,
    inception_v4,
    merge_and_run,
    multi_resnet,
    repvgg,
    resnest,
    resnet,
    resnet_cifar,
    resnet_v2,
    resnext,
    resrep,
    ror,
    senet,
    sknet,
    stochastic_depth,
    swapout,
    vgg,
    wide_resnet,
)
from cardinet.networks.family import Family, Named
from cardinet.networks.part import PARTS, Part

FAMILY_MODULES = (
    resnet,
    resnet_cifar,
    resnet_v2,
    wide_resnet,
    resnext,
    stochastic_depth,
    swapout,
    ror,
    multi_resnet,
    senet,
    sknet,
    resnest,
    repvgg,
    resrep,
    inception_v3,
    inception_v4,
    inception_resnet,
    googlenet,
    densenet,
    fractalnet,
    highway,
    deeply_fused,
    merge_and_run,
    vgg,
    alexnet,
)
"""In the order of `cardinet list`. Every `Family` of these modules is registered, and their imports fill `PARTS`."""

FAMILIES = tuple(value for module in FAMILY_MODULES for value in vars(module).values() if isinstance(value, Family))

NETWORKS: dict[str, Named] = {id: row for family in FAMILIES for id, row in family.rows.items()}
PEERS: dict[str, Named] = {
    peer: same if isinstance(same, Named) else NETWORKS[same]
    for family in FAMILIES
    for peer, same in family.peers.items()
}
ALIASES: dict[str, str] = {
    peer.partition(":")[2]: row.id
    for peer, row in PEERS.items()
    if row.id in NETWORKS and peer.partition(":")[2] not in NETWORKS
}
LOOKALIKES: dict[str, str] = {peer: name for family in FAMILIES for peer, name in family.lookalikes.items()}
REFUSED: dict[str, str] = {peer: why for family in FAMILIES for peer, why in family.refused.items()} | {
    peer: f"this network blurs or averages where {name} strides (anti-aliased): the same tensors, another function."
    for peer, name in LOOKALIKES.items()
}
UNBUILDABLE: dict[str, str] = {id: why for family in FAMILIES for id, why in family.unbuildable.items()}


def find(name: str) -> Named:
    """The network of an id, an alias or another library's name.

    Raises RequestError for an unknown name, with the nearest names, and for a refused one, with the reason.
    """
    row = NETWORKS.get(name) or PEERS.get(name) or NETWORKS.get(ALIASES.get(name, name))
    if row is not None:
        return row
    libraries = [peer for peer in (*PEERS, *REFUSED) if peer.partition(":")[2] == name]
    if libraries and all(PEERS.get(peer) and PEERS[peer].spec == PEERS[libraries[0]].spec for peer in libraries):
        return PEERS[libraries[0]]
    if libraries:
        reasons = [f"{peer} ({REFUSED[peer].rstrip('.')})" if peer in REFUSED else peer for peer in libraries]
        raise RequestError(f'"{name}" is a name in other libraries; write one of: {", ".join(reasons)}.')
    if name in REFUSED or name in UNBUILDABLE:
        raise RequestError(f"{name} cannot be built: {REFUSED.get(name) or UNBUILDABLE[name]}")
    among = [*PEERS] if ":" in name else [*NETWORKS, *ALIASES]
    raise RequestError(f'There is no network "{name}" ({nearest(name, among)}). `cardinet list` shows all.')


def known_parts() -> Mapping[str, type[Part]]:
    """Every class of parts by its name in a document, those defined outside Cardinet so far included."""
    return PARTS


def is_known_name(name: str) -> bool:
    """Whether `find` knows the name: it returns the network, or refuses it with a reason."""
    bare = (peer.partition(":")[2] for peer in (*PEERS, *REFUSED))
    return any(name in names for names in (NETWORKS, ALIASES, PEERS, REFUSED, UNBUILDABLE)) or name in bare


def lookalikes(spec: Any) -> tuple[str, ...]:
    """The networks of other libraries that have the tensors of a description but compute something else."""
    own = {"num_classes": spec.num_classes, "in_channels": spec.in_channels}
    rows = ((peer, find(name).spec) for peer, name in LOOKALIKES.items())
    return tuple(peer for peer, other in rows if type(other) is type(spec) and other.but(**own) == spec)


def named_network(spec: Any) -> Named | None:
    """The named network of a description, whatever its number of classes and input channels; None if it has no name."""
    own = {"num_classes": spec.num_classes, "in_channels": spec.in_channels}
    same_kind = (row for row in NETWORKS.values() if type(row.spec) is type(spec))
    return next((row for row in same_kind if row.spec.but(**own) == spec), None)


def matching(pattern: str = "*") -> list[Named]:
    """The rows whose id or alias matches a pattern with wildcards; a plain word matches anywhere in the name.

    A pattern with a colon searches other libraries' names: "timm:*" gives all of timm's. If no id or alias matches, a
    pattern without a colon searches other libraries' names too.
    """
    if ":" in pattern:
        return [row for peer, row in PEERS.items() if _fits(peer, pattern)]
    hits = {id for id in NETWORKS if _fits(id, pattern)}
    hits |= {id for alias, id in ALIASES.items() if _fits(alias, pattern)}
    if hits:
        return [row for id, row in NETWORKS.items() if id in hits]
    return list({row.id: row for peer, row in PEERS.items() if _fits(peer.partition(":")[2], pattern)}.values())


def unbuildable(pattern: str = "*") -> dict[str, str]:
    """The published networks that cannot be built and match a pattern, each with the reason."""
    return {id: why for id, why in UNBUILDABLE.items() if _fits(id, pattern)}


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*")
