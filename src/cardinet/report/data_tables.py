"""Tables of the pictures of a run: the pictures of each class by split, and the mistakes by confusion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cardinet.evaluate.scores import Confusion
from cardinet.report.content import Mistake

Counts = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class ClassCounts:
    """One class: its pictures in each split."""

    name: str
    counts: tuple[int, ...]

    @property
    def trained_on(self) -> int:
        """Its training pictures."""
        return self.counts[0]


@dataclass(frozen=True)
class Confused:
    """Mistakes of one kind: `count` pictures of `truth` were taken for `predicted`; `mistakes` has some of them."""

    truth: int
    predicted: int
    count: int
    mistakes: tuple[Mistake, ...]


def class_counts(counts: Counts, classes: Sequence[str]) -> list[ClassCounts]:
    """The rows in the order of the classes; none if the counts are unknown."""
    if not counts:
        return []
    return [ClassCounts(name, tuple(split[k] for split in counts.values())) for k, name in enumerate(classes)]


def smallest_first(rows: Iterable[ClassCounts]) -> list[ClassCounts]:
    """The rows in order of their training pictures, the fewest first."""
    return sorted(rows, key=lambda row: row.trained_on)


def by_confusion(mistakes: Iterable[Mistake], confusion: Confusion) -> list[Confused]:
    """The mistakes by truth and prediction, the most frequent confusion first; equal ones by confidence."""
    groups: dict[tuple[int, int], list[Mistake]] = {}
    for mistake in mistakes:
        groups.setdefault((mistake.truth, mistake.predicted), []).append(mistake)
    found = [
        Confused(truth, predicted, int(confusion[truth, predicted]), tuple(group))
        for (truth, predicted), group in groups.items()
    ]
    return sorted(found, key=lambda group: (-group.count, -group.mistakes[0].confidence))
