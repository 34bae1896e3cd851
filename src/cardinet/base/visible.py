"""Text that others wrote, such as names of files and classes, as a terminal or a spreadsheet may be given it."""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, breaks of a line, what turns the direction of writing, and bytes that are no UTF-8."""

_DROWNING = re.compile(r"[^\s/]{256,}")
"""What stands in one piece and is longer than any name of a file can be."""

SHOWN = 100
"""Characters that are told of it."""


def visible(text: str) -> str:
    """The text in one line, with what a terminal would obey instead of show written as \\x1b or \\u2028."""
    return _HIDDEN.sub(lambda sign: _code(sign[0]), text)


def told(sentence: str) -> str:
    """A sentence with at most the first characters of a word, as a number of 5,000 digits, that would drown it."""
    return _DROWNING.sub(lambda word: f"{word[0][:SHOWN]}...", sentence)


def in_json(text: str) -> str:
    """JSON text with the same escaped as JSON does it; between its strings there is none of it."""
    return _HIDDEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _code(sign: str) -> str:
    return f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"
