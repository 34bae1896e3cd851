"""Parts written as text: `SqueezeExcite(reduction=16)`, `AdamW(lr=1e-3, weight_decay=0.05)`, `Add`."""

from __future__ import annotations

import re

_CALL = re.compile(r"([A-Z]\w*)\s*(?:\((.*)\))?", re.DOTALL)


def read_call(text: str) -> tuple[str, list[str] | None] | None:
    """The name of the part and the words in its brackets (None without brackets). None if the text is not a part."""
    found = _CALL.fullmatch(text.strip())
    return None if found is None else (found[1], None if found[2] is None else arguments(found[2]))


def arguments(text: str) -> list[str]:
    """Split a text at its commas, except at those inside a list or another part."""
    words, depth = [""], 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth:
            words.append("")
        else:
            words[-1] += sign
    return [word.strip() for word in words if word.strip()]
