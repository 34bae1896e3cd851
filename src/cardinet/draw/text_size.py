"""The room that a text needs, without a font: no common sans-serif font has wider letters than these."""

from __future__ import annotations

NARROW, WIDE = "il|jI'.,:;!\u00b7 \u00a0", "mwMW%\u00d7+=\u2212<>\u2192\u22ef\u00bd\u03a3\u2211~"
MIDDLING = "frt()[]{}-/"
EM = {**dict.fromkeys(NARROW, 0.34), **dict.fromkeys(MIDDLING, 0.42), **dict.fromkeys(WIDE, 0.99)}
LOWER, UPPER = 0.64, 0.78
BOLD = 1.12


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a text in the units of its font size; rather too large than too small."""
    ems = sum(EM.get(letter, UPPER if letter.isupper() else LOWER) for letter in text)
    return ems * size * (BOLD if bold else 1)


def wrapped(text: str, size: float, room: float) -> list[str]:
    """The text in lines that are not wider than `room`, broken at spaces."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def balanced(text: str, size: float, room: float) -> list[str]:
    """The same number of lines as `wrapped` has, but about equally long, so that no word stands alone."""
    lines = wrapped(text, size, room)
    while len(lines) > 1:
        longest = max(text_width(line, size) for line in lines)
        narrower = wrapped(text, size, longest - 1)
        if len(narrower) > len(lines) or max(text_width(line, size) for line in narrower) >= longest:
            break
        lines = narrower
    return lines
