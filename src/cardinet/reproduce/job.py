"""Run claims: measure, judge by the rule, and keep the result. A finished claim is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.reproduce.book import Book, Finished
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.claims import claims
from cardinet.reproduce.lab import Laboratory, told_of
from cardinet.reproduce.request import Prepared, Request, laboratory
from cardinet.reproduce.scales import find_scale
from cardinet.reproduce.workers import Workers
from cardinet.train.interrupt import Interrupted

Told = Callable[[Claim, Finished, bool], None]


def reproduce(prepared: Prepared, done: Told = lambda claim, found, now: None) -> list[tuple[Claim, Finished]]:
    """Run every claim that has no result by the same design yet. `done` hears of each, and whether it ran now.

    Raises WorkError or RequestError with the findings of all claims that failed, after the others are done, and
    Interrupted if the user stops it. The results so far and the trainings are kept in both cases.
    """
    book, results, failed = Book(prepared.folder), list[tuple[Claim, Finished]](), Findings()
    try:
        with Workers(prepared.jobs, prepared.progress) as workers:
            for claim, lab in prepared.claims:
                try:
                    found = book.finished(claim, lab)
                    again = found is None or book.outdated(claim, lab)
                    if found is None or again:
                        with told_of(claim.id):
                            found = _run(claim, lab, book, workers)
                except (WorkError, RequestError) as error:
                    failed.errors.append(error)
                    continue
                results.append((claim, found))
                done(claim, found, again)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(
            f"Stopped. Finished claims and the trainings so far are kept. Continue with: {prepared.request.command}"
        ) from None
    failed.raise_if_any()
    return results


def _run(claim: Claim, lab: Laboratory, book: Book, workers: Workers) -> Finished:
    """Train, measure and judge a claim. Nothing else runs while it measures, because some claims measure time."""
    started = time.monotonic()
    unfinished = lab.unfinished()
    if workers.count > 1 and len(unfinished) > 1:
        workers.train(unfinished)
    samples = {name: tuple(map(float, values)) for name, values in claim.measure(lab).items()}
    return book.write(claim, lab, samples, time.monotonic() - started)


def pages(request: Request) -> list[tuple[Claim, Finished | None]]:
    """Every claim that the scale offers, in the book's order, with its result if there is one.

    Raises WorkError for a damaged document.
    """
    book, scale = Book(request.folder), find_scale(request.scale).name
    offered = [claim for claim in claims().values() if scale in claim.minutes]
    return [(claim, book.finished(claim, laboratory(claim, request))) for claim in offered]
