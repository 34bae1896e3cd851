"""The verdicts of a claims book as a page in Markdown, from which `docs/claims.md` is made.

command   cardinet reproduce --all --scale minutes --out BOOK; python proofs/claims_table.py BOOK
expected  a row for each claim of the scale, in the book's order, and exit code 0; 1 if a claim has no verdict
time      seconds; the book itself takes about an hour on 2 CPU cores
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cardinet.report.number_text import duration
from cardinet.reproduce.book import Finished
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.job import pages
from cardinet.reproduce.request import Request
from cardinet.reproduce.rules import READING
from cardinet.reproduce.scales import SCALE_NAMES, find_scale

COLUMNS = ("claim", "statement", "the paper's figures", "verdict", "measured", "time")


def cell(text: str) -> str:
    """A text within a table: a vertical line would end the cell, and `<` could begin a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def row(claim: Claim, found: Finished | None) -> tuple[str, ...]:
    """What the page says of a claim."""
    paper = "; ".join(f"{printed.what}: {printed.value} ({printed.certainty})" for printed in claim.printed)
    said = (f"`{claim.id}`", f"{claim.statement} {claim.paper}", paper)
    if found is None:
        return (*said, "not tried yet", "", "")
    measured = f"{claim.measures}: {' '.join(claim.verdict(found.samples).reasons)}"  # in the words of today
    return (*said, f"**{found.outcome}**", measured, duration(found.seconds))


def page(results: list[tuple[Claim, Finished | None]], scale: str) -> Iterator[str]:
    """The lines of the page."""
    tried = [found for _, found in results if found]
    counts = Counter(found.outcome for found in tried)
    yield f"# The claims book at the scale `{scale}`"
    yield ""
    yield f"{find_scale(scale).about} The command is `cardinet reproduce --all --scale {scale}`."
    verdicts = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    seconds = sum(found.seconds for found in tried)
    yield f"{len(tried)} of {len(results)} claims were tried in {duration(seconds)}: {verdicts}."
    if tried:
        yield "Versions: " + ", ".join(f"{name} {version}" for name, version in tried[0].versions.items()) + "."
    yield from ("", *READING)
    for chapter, group in itertools.groupby(results, key=lambda result: result[0].chapter):
        yield from ("", f"## {chapter}", "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|")
        yield from (f"| {' | '.join(map(cell, row(*result)))} |" for result in group)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("book", type=Path)
    parser.add_argument("--scale", default="minutes", choices=SCALE_NAMES)
    options = parser.parse_args()
    results = pages(Request(every=True, scale=options.scale, out=options.book))
    print(*page(results, options.scale), sep="\n")
    missing = [claim.id for claim, found in results if found is None]
    if missing:
        print(f"No verdict yet: {', '.join(missing)}.", file=sys.stderr)
    return int(bool(missing))


if __name__ == "__main__":
    raise SystemExit(main())
