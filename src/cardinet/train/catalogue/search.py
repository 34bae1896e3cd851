"""Which settings a word or a pattern means: their keys, the names of groups and parts, and the sentences."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import replace

from cardinet.base.synonyms import setting_hint
from cardinet.train.catalogue.entries import Group, Setting

Fits = Callable[[str], bool]


def matching(groups: Iterable[Group], pattern: str) -> tuple[Group, ...]:
    """The groups, each with the settings that fit: all where its own name or role does, else without what it is about.

    A word that is exactly a name means what has that name. Any other is looked for anywhere in names and sentences, in
    any case. A pattern with `*` and `?` has to fit a whole name or sentence.
    """
    asked = pattern.lower()
    if any(sign in pattern for sign in "*?["):
        return _fitting(groups, lambda text: fnmatch.fnmatchcase(text.lower(), asked))
    groups = tuple(groups)
    return _fitting(groups, lambda text: text.lower() == asked) or _fitting(groups, lambda text: asked in text.lower())


def nearest_names(groups: Iterable[Group], pattern: str) -> str:
    """A hint where nothing fits: what another program's word is here, or the nearest names."""
    known = [name for group in groups for name in (group.name, *(setting.name for setting in group.settings))]
    return setting_hint(pattern, dict.fromkeys(known))


def _fitting(groups: Iterable[Group], fits: Fits) -> tuple[Group, ...]:
    """The groups with a fitting name or role, then the others with their fitting settings."""
    whole, partly = [], []
    for group in groups:
        if fits(group.name) or (group.role and fits(group.role)):
            whole.append(group)
        elif settings := tuple(setting for setting in group.settings if _fits(setting, fits)):
            partly.append(replace(group, about=(), settings=settings))
    return (*whole, *partly)


def _fits(setting: Setting, fits: Fits) -> bool:
    return any(fits(text) for text in (setting.name, setting.key, setting.path, setting.sentence) if text)
