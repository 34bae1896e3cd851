"""How names that come from a file are printed."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 80


def some(names: Sequence[str]) -> str:
    """The first three names and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(printable(name) for name in names[:3]) + more


def printable(name: str, longest: int = LONGEST) -> str:
    """A name from a file on one line of a terminal: control characters escaped, and cut where it is long."""
    name = name if len(name) <= longest else f"{name[:longest]}..."
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)
