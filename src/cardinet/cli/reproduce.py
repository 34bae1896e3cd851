"""`cardinet reproduce`: claims of the papers, tried on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.cli.options import Json, NoBounds
from cardinet.cli.talk import duration, print_json, say, show, show_table

if TYPE_CHECKING:
    from cardinet.reproduce.book import Finished
    from cardinet.reproduce.claim import Claim
    from cardinet.reproduce.request import Prepared


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="CLAIM ...", help="The names of claims.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Try all claims.")] = False,
    scale: Annotated[
        str, typer.Option("--scale", metavar="minutes|hour|gpu", help="How much to train for a verdict.")
    ] = "minutes",
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="The pictures to use. Default: those of the scale.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, metavar="N", help="The number of seeds per claim. Default: the claim's own."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder of the book. An existing book is continued.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, metavar="N", help="Trainings side by side. Default: one per core at minutes."),
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Try claims of the papers: train the networks that they compare, and judge by a rule from before the run.

    Without CLAIM it lists the claims. A verdict is confirmed, not confirmed at this scale, or contradicted. The book is
    a folder. It keeps finished claims, which are not run again, and its book.html shows all of them.
    """
    if not names and not every:
        _list(scale, without=(data, seeds, out, jobs), as_json=as_json)
        return
    from cardinet.cli.progress import Phases
    from cardinet.report.book_page import write_book
    from cardinet.reproduce.job import pages, reproduce
    from cardinet.reproduce.request import Request, resolve

    started = time.monotonic()
    request = Request(names=tuple(names or ()), every=every, scale=scale, data=data, seeds=seeds, out=out, jobs=jobs)
    page = request.page
    with Phases() as phases:
        prepared = resolve(request, phases)
        say(*prepared.notes, _expected(prepared))

        def told(claim: Claim, found: Finished, now: bool) -> None:
            """Say the verdict of a claim, and renew the page."""
            phases.line.clear()
            when = f"in {duration(found.seconds)}" if now else "finished before"
            say(f"{claim.id}: {found.outcome}, {when}.", *(f"  {reason}" for reason in found.reasons))
            if now or not page.exists():
                write_book(pages(request), page, scale)

        results = reproduce(prepared, told)
    write_book(pages(request), page, scale)
    if as_json:
        print_json([found.model_dump(mode="json") for _, found in results])
    else:
        for claim, found in results:
            show(f"{claim.id}: {found.outcome}")
    say(f"The book is {page}.", f"Done in {duration(time.monotonic() - started)}.")


def _expected(prepared: Prepared) -> str:
    """How long it may take."""
    jobs, minutes = prepared.jobs, prepared.expected_minutes
    claims = f"{len(prepared.claims)} claim{'s' * (len(prepared.claims) > 1)}"
    beside = f", {jobs} trainings side by side" if jobs > 1 else ""
    return f"{claims}{beside}: about {duration(60 * minutes)} on a quiet machine, if nothing is finished yet."


def _list(scale: str, *, without: Sequence[object], as_json: bool) -> None:
    """List the claims that a scale offers. Raises RequestError if options ask for a run `without` claims."""
    from cardinet.base.errors import RequestError
    from cardinet.reproduce.claims import claims
    from cardinet.reproduce.scales import find_scale

    name = find_scale(scale).name
    if any(word is not None for word in without):
        raise RequestError("Give the names of claims, or --all for the book; `cardinet reproduce` lists them.")
    offered = [claim for claim in claims().values() if name in claim.minutes]
    if as_json:
        print_json(
            [
                {
                    "id": claim.id,
                    "chapter": claim.chapter,
                    "statement": claim.statement,
                    "paper": claim.paper,
                    "rule": claim.rule_sentence(),
                    "minutes": claim.minutes[name],
                }
                for claim in offered
            ]
        )
        return
    rows = [(claim.id, claim.statement, claim.paper, f"{claim.minutes[name]:g}") for claim in offered]
    show_table({"claim": "left", "statement": "left", "paper": "left", "minutes": "right"}, rows)
