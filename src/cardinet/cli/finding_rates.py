"""`cardinet train --find-lr`: the losses at rising learning rates, and a suggestion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cardinet.base.amounts import amount
from cardinet.cli.progress import bar, has_blocks, screen
from cardinet.cli.talk import duration, print_json, say, show

if TYPE_CHECKING:
    from cardinet.train.range_test import RangeTest
    from cardinet.train.request import Request

ROWS, WIDTH = 16, 40
"""The most lines of the drawn losses, and the letters of the longest bar."""


def find_rate(request: Request, *, dry_run: bool, alone: bool, as_json: bool) -> None:
    """Run a range test, and print its losses and its suggestion; the output of the request is its page.

    Raises RequestError for what a range test cannot be: a dry run, or work that an engine does (not `alone`).
    """
    import sys

    from cardinet.base.errors import RequestError
    from cardinet.report.range_page import document, lead, write_range_page
    from cardinet.train.processes import connected_for
    from cardinet.train.range_test import range_test, resolve_range_test

    if not alone:
        raise RequestError("--find-lr tries some steps in one process; omit --engine.")
    if dry_run:
        raise RequestError("--find-lr trains nothing that is kept, and --dry-run trains nothing at all; give only one.")
    with connected_for(None) as ranks, screen(ranks.leads) as shown:
        resolved = resolve_range_test(request, request.out, shown, ranks)
        for note in resolved.notes:
            shown.said(note)
        test = range_test(resolved, shown)
    if request.out is not None:
        write_range_page(test, request.command, request.out)
    if as_json:
        print_json({**document(test), "page": None if request.out is None else str(request.out)})
    else:
        show(*drawn(test, blocks=has_blocks(sys.stdout.encoding)), *lead(test))
        say(*test.notes)
    if request.out is not None:
        say(f"The page is {request.out}.")
    say(f"{amount(len(test.curve.rates), 'step')} in {duration(test.seconds)}. Nothing was trained that is kept.")


def drawn(test: RangeTest, *, blocks: bool = True) -> Iterator[str]:
    """The smoothed losses as bars, one line for each of some rates."""
    curve = test.curve
    points = list(zip(curve.rates, curve.smoothed, strict=True))
    chosen = points[:: max(1, -(-len(points) // ROWS))]
    most = max(loss for _, loss in chosen)
    yield f"{'rate':>8}  {'loss':>8}"
    for rate, loss in chosen:
        length = round(1000 * max(0.0, loss) / most) if most > 0 else 0
        yield f"{rate:8.1e}  {loss:8.4f}  {bar(length, 1000, WIDTH, blocks=blocks)}".rstrip()
