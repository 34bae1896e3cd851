"""Run claims: measure, judge by the rule, and keep the result. A finished claim is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cardinet.reproduce.book import Book, Finished, design
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.claims import claims
from cardinet.reproduce.request import Prepared


def reproduce(
    prepared: Prepared, done: Callable[[Claim, Finished, bool], None] = lambda claim, found, now: None
) -> list[tuple[Claim, Finished]]:
    """Run every claim that has no result by the same design yet. `done` hears of each, and whether it ran now.

    Raises WorkError if a training fails; the results so far are kept.
    """
    book, results = Book(prepared.folder), []
    for claim, lab in prepared.claims:
        found = book.finished(claim)
        again = found is None or found.design != design(claim, lab)
        if again:
            started = time.monotonic()
            samples = {name: tuple(map(float, values)) for name, values in claim.measure(lab).items()}
            found = book.write(claim, lab, samples, time.monotonic() - started)
        assert found is not None
        results.append((claim, found))
        done(claim, found, again)
    return results


def finished(folder: Path) -> list[tuple[Claim, Finished]]:
    """Every claim of the book that has a result, in the book's order. Raises WorkError for a damaged document."""
    book = Book(folder)
    results = ((claim, book.finished(claim)) for claim in claims().values())
    return [(claim, found) for claim, found in results if found is not None]
