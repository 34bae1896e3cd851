"""The table of contenders: one file for each program. A new contender is one new file here."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping, Sequence

from cardinet.base.errors import RequestError, nearest
from cardinet.bench.contender import Contender

OURS = "cardinet"
"""The contender that every other is measured against: our network as it is shipped."""


@functools.cache
def contenders() -> Mapping[str, Contender]:
    """The contenders by name; ours is the first."""
    found: dict[str, Contender] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, Contender) and value.__module__ == module.name:
                found[value.name] = value()
    return dict(sorted(found.items(), key=lambda item: (item[0] != OURS, item[0])))


def chosen(words: Sequence[str]) -> tuple[Contender, ...]:
    """The contenders of `--against`, ours first; "all" and "none" are words for all others and for none.

    Raises RequestError for unknown names, and if none of the named ones can run on this machine.
    """
    table = contenders()
    names = _names(words, table)
    unknown = [name for name in names if name not in table]
    if unknown:
        raise RequestError(
            *(f'--against "{name}": there is no such contender ({nearest(name, table)}).' for name in unknown)
        )
    others = [table[name] for name in names if name != OURS]
    reasons = {one.name: one.missing() for one in others}
    if others and all(reasons.values()):
        raise RequestError(*(f'--against "{name}": {reason}.' for name, reason in reasons.items()))
    return (table[OURS], *others)


def _names(words: Iterable[str], table: Iterable[str]) -> list[str]:
    """The names in words with commas, each once."""
    typed = [name.strip() for word in words for name in word.split(",")]
    if typed == ["all"]:
        return [*table]
    if typed == ["none"]:
        return []
    return [*dict.fromkeys(typed)]
