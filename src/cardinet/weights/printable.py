"""Print names that come from a file, safely and cut to a useful length."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 80


def first_names(names: Sequence[str]) -> str:
    """The first three names and the number of the others."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(printable(name) for name in names[:3]) + more


def printable(name: str, longest: int = LONGEST) -> str:
    """A name from a file on one line: control characters are escaped, and a long name is cut."""
    name = name if len(name) <= longest else f"{name[:longest]}..."
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)
