"""The faults of many rows or samples: one finding for each kind, which names the first places and counts the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cardinet.data.findings import Finding

SHOWN = 3
"""The places of one kind of fault that are named; the others are counted."""


@dataclass
class Faults:
    """Faults of a source by kind: their number, and the first places, such as `line 7`.

    `words` has a clause for each kind, in the order of the findings.
    """

    source: str
    words: Mapping[str, str]
    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, *places: str, more: int = 0) -> None:
        """Add a fault for each of the places, and `more` others."""
        self.places[kind] += places[: SHOWN - len(self.places[kind])]
        self.counts[kind] += len(places) + more

    def findings(self, harmless: Collection[str], notes: Collection[str] = ()) -> list[Finding]:
        """One finding for each kind. The `harmless` ones are left out by the user's wish, the `notes` always."""
        found = []
        for kind, words in self.words.items():
            if places := self.places.get(kind):
                more = [f"and {self.counts[kind] - SHOWN:,} more"] if self.counts[kind] > SHOWN else []
                end = "; left out (on_bad_image = skip)" if kind in harmless else ""
                detail = f"{', '.join([*places, *more])}: {words}{end}"
                found.append(Finding(self.source, "", kind, detail, bad=kind not in harmless and kind not in notes))
        return found
