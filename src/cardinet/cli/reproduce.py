"""`cardinet reproduce`: claims of the papers, tried on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.cli.options import Json, NoBounds
from cardinet.cli.talk import duration, print_json, say, show, show_table

if TYPE_CHECKING:
    from cardinet.cli.progress import Phases
    from cardinet.reproduce.book import Finished
    from cardinet.reproduce.claim import Claim


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
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Try claims of the papers: train the networks that they compare, and judge by a rule from before the run.

    Without CLAIM it lists the claims. A verdict is confirmed, not confirmed at this scale, or contradicted. The book is
    a folder. It keeps finished claims, which are not run again, and its book.html shows all of them.
    """
    if not names and not every:
        _list(as_json=as_json)
        return
    from cardinet.cli.progress import Phases
    from cardinet.report.book_page import write_book
    from cardinet.reproduce.job import finished, reproduce
    from cardinet.reproduce.request import Request, resolve

    started = time.monotonic()
    request = Request(names=tuple(names or ()), every=every, scale=scale, data=data, seeds=seeds, out=out)
    with Phases() as phases:
        prepared = resolve(request, phases)
        say(*prepared.notes)
        results = reproduce(prepared, lambda claim, found, now: _said(phases, claim, found, now=now))
    page = prepared.folder / "book.html"
    write_book(finished(prepared.folder), page)
    if as_json:
        print_json([found.model_dump(mode="json") for _, found in results])
    else:
        for claim, found in results:
            show(f"{claim.id}: {found.outcome}")
    say(f"The book is {page}.", f"Done in {duration(time.monotonic() - started)}.")


def _said(phases: Phases, claim: Claim, found: Finished, *, now: bool) -> None:
    """Say the verdict of a claim."""
    phases.line.clear()
    when = f"in {duration(found.seconds)}" if now else "finished before"
    say(f"{claim.id}: {found.outcome}, {when}.", *(f"  {reason}" for reason in found.reasons))


def _list(*, as_json: bool) -> None:
    from cardinet.reproduce.claims import claims

    if as_json:
        print_json(
            [
                {"id": claim.id, "statement": claim.statement, "paper": claim.paper, "rule": claim.rule.sentence()}
                for claim in claims().values()
            ]
        )
        return
    rows = [(claim.id, claim.statement, claim.paper) for claim in claims().values()]
    show_table({"claim": "left", "statement": "left", "paper": "left"}, rows)
