"""All named networks: by id, or by the name under which another library has the same network (an id wins)."""

from __future__ import annotations

import fnmatch

from cardinet.base.errors import RequestError, nearest
from cardinet.networks import resnet, resnet_cifar, resnext, wide_resnet
from cardinet.networks.family import Named

FAMILIES = (resnet.FAMILY, resnet_cifar.FAMILY, resnext.FAMILY, resnext.SMALL, resnext.DIGITS, wide_resnet.FAMILY)

NETWORKS: dict[str, Named] = {id: row for family in FAMILIES for id, row in family.rows.items()}
ALIASES: dict[str, str] = {
    alias: id for family in FAMILIES for alias, id in family.aliases.items() if alias not in NETWORKS
}


def find(name: str) -> Named:
    """The row of an id or alias. Raises RequestError with the nearest names."""
    row = NETWORKS.get(name) or NETWORKS.get(ALIASES.get(name, name))
    if row is None:
        raise RequestError(
            f'There is no network "{name}" ({nearest(name, [*NETWORKS, *ALIASES])}). `cardinet list` shows all.'
        )
    return row


def matching(pattern: str = "*") -> list[Named]:
    """The rows whose id or alias matches a pattern with wildcards; a plain word matches anywhere in the name."""
    if not any(sign in pattern for sign in "*?["):
        pattern = f"*{pattern}*"
    hits = {id for id in NETWORKS if fnmatch.fnmatch(id, pattern)}
    hits |= {id for alias, id in ALIASES.items() if fnmatch.fnmatch(alias, pattern)}
    return [row for id, row in NETWORKS.items() if id in hits]
