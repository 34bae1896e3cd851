"""The settings in which runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cardinet.report.number_text import MISSING


@dataclass(frozen=True)
class Difference:
    """One setting and its value in each run, as text; a dash if a run does not have it."""

    name: str
    values: tuple[str, ...]


def differences(settings: Sequence[Mapping[str, str]]) -> list[Difference]:
    """The settings whose values differ between runs, in the order in which they first appear."""
    names = dict.fromkeys(name for run in settings for name in run)
    rows = [Difference(name, tuple(run.get(name, MISSING) for run in settings)) for name in names]
    return [row for row in rows if len(set(row.values)) > 1]
