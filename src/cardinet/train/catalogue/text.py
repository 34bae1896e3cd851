"""The catalogue as text for a reader, at the width of a terminal or of a page."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator

from cardinet.train.catalogue.entries import Group, Setting

WIDE = 120
"""From this width on a setting and its sentence stand side by side."""

LEAST = 40
SHOWN = 32
"""Characters of a default; the longer ones are cut."""


def lines(groups: Iterable[Group], width: int) -> Iterator[str]:
    """The groups one below the other: what each is and how it is written, then its settings with their defaults."""
    groups, width = tuple(groups), max(width, LEAST)
    columns = _columns(groups, width)
    for place, group in enumerate(groups):
        if place:
            yield ""
        yield from _wrapped(_head(group), width, "", "    ")
        for about in _about(group):
            yield from _wrapped(about, width, "  ")
        for setting in group.settings:
            yield from _setting(setting, width, columns)


def _head(group: Group) -> str:
    if not group.role:
        return f"{group.name}, settings of a run"
    if group.role == "network":
        return f"{group.name}, a kind of network: {group.example}"
    if group.role == "question":
        return f"{group.name}, a question: {group.example}"
    if group.role == "tracker":
        return f"{group.name}, a tracker: {group.example}"
    if group.settings and all(setting.key is None for setting in group.settings):
        return f"{group.name}, a {group.role} that is written in Python only"
    quote = "'" if '"' in group.example else '"'
    return f"{group.name}  --set {quote}{group.example}{quote}"


def _about(group: Group) -> Iterator[str]:
    yield from filter(None, group.about)
    if group.role == "network" and group.about:
        yield "The named networks have other values for some of these."


def _written(setting: Setting) -> str:
    default = "..." if setting.default is None else setting.default
    return f"{setting.key or setting.name} = {default if len(default) <= SHOWN else f'{default[:SHOWN]}...'}"


def _columns(groups: Iterable[Group], width: int) -> tuple[int, int]:
    """The widths of the columns of keys with defaults, and of types."""
    every = [setting for group in groups for setting in group.settings]
    keys = max((len(_written(setting)) for setting in every), default=0)
    types = max((len(setting.type) for setting in every), default=0)
    return min(keys, width // 4 if width >= WIDE else width // 2), min(types, width // 4)


def _setting(setting: Setting, width: int, columns: tuple[int, int]) -> Iterator[str]:
    """`key = default`, its type and its sentence: in three columns, or the sentence below where there is no room."""
    keys, types = columns
    written = _written(setting)
    beside = f"  {written:<{keys}}  "
    below = " " * (keys + 4)
    if width < WIDE:
        if len(written) > keys:
            yield f"  {written}"
            beside = below
        yield from _wrapped(setting.type, width, beside, below)
        yield from _wrapped(setting.sentence, width, "      ")
        return
    if len(written) > keys:
        yield f"  {written}"
        beside = below
    kinds = textwrap.wrap(setting.type, types) or [""]
    sentences = textwrap.wrap(setting.sentence, width - keys - types - 6) or [""]
    for kind, sentence in itertools.zip_longest(kinds, sentences, fillvalue=""):
        yield f"{beside}{kind:<{types}}  {sentence}".rstrip()
        beside = below


def _wrapped(text: str, width: int, first: str, below: str | None = None) -> list[str]:
    below = first if below is None else below
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
