"""Make foreign text, such as names of files and classes, safe for a terminal, a spreadsheet or JSON."""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line breaks, marks that change the writing direction, and bytes that are not UTF-8."""

_LONG_WORD = re.compile(r"[^\s/]{256,}")
"""A word that is longer than any file name can be."""

SHOWN = 100
"""The number of its characters that a message shows."""


def visible(text: str) -> str:
    """The text in one line. Characters that control a terminal are written as escapes: \\x1b or \\u2028."""
    return _HIDDEN.sub(lambda sign: _code(sign[0]), text)


def shortened(sentence: str) -> str:
    """A sentence with every very long word, such as a number of 5,000 digits, cut after `SHOWN` characters."""
    return _LONG_WORD.sub(lambda word: f"{word[0][:SHOWN]}...", sentence)


def escaped_json(text: str) -> str:
    """JSON text with the same characters as JSON escapes. Only its strings can hold such characters."""
    return _HIDDEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _code(sign: str) -> str:
    return f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"
