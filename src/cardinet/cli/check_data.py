"""`cardinet check-data`: decode every picture and name all that are damaged or odd."""

from __future__ import annotations

from typing import Annotated

import typer

from cardinet.base.amounts import amount
from cardinet.cli.options import Json, Set, Workers, assigned
from cardinet.cli.talk import print_json, say, show


def check_data(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder, csv:FILE, parquet:PATH, digits, ...")],
    settings: Set = None,
    workers: Workers = 2,
    as_json: Json = False,
) -> int:
    """Decode every picture, and name each one that is damaged or odd. The exit code is 1 if any cannot be used."""
    from cardinet.cli.progress import Bar
    from cardinet.data.check import check
    from cardinet.data.source import settings_for

    chosen = settings_for(source, assigned(settings, "data"))
    with Bar("checking pictures") as bar:
        found = check(source, chosen, workers=workers, progress=bar)
    if as_json:
        print_json(found.to_document())
    else:
        for finding in found.findings:
            show(finding.sentence())
    bad = len(found.bad())
    kept = f" ({found.from_cache:,} of them in an earlier check)" if found.from_cache else ""
    say(
        f"{amount(found.pictures, 'picture')} checked in {found.seconds:.1f} s{kept}: {bad:,} cannot be used, "
        f"{amount(len(found.findings) - bad, 'note')}."
    )
    return 1 if bad else 0
