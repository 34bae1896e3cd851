"""Text from a file in Markdown. It may contain anything, so it is written as code, which is not interpreted."""

from __future__ import annotations

import re

LONGEST = 100
"""The largest length of a text within a line; a longer text is cut."""


def visible(text: str, longest: int = LONGEST) -> str:
    """One line of printable characters. Line breaks, control characters and direction marks become escapes."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def code(text: object, longest: int = LONGEST) -> str:
    """A text as code within a line. Do not use it in a table, where "|" ends a cell even in code."""
    shown = visible(str(text), longest)
    if not shown.strip():
        return f"`{shown!r}`".replace("'", '"')
    ticks = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if "`" in shown or shown != shown.strip() else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def fence(text: str, language: str) -> str:
    """Lines as a block of code."""
    lines = [visible(line, longest=10_000) for line in text.strip("\n").split("\n")]
    ticks = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    return "\n".join([f"{ticks}{language}", *lines, ticks])
