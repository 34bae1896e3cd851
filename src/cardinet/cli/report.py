"""`cardinet report`: the report of one run, or several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardinet.cli.options import Json
from cardinet.cli.talk import print_json, show


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN ...", help="One run folder, or several to compare.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", help="The new file (default: report.html, comparison.html)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run again, or compare several runs on a page, with JSON and CSV beside it."""
    from cardinet.report.run_report import write_reports

    written = write_reports(runs, out)
    if as_json:
        page, *data = map(str, written)
        print_json({"report": page, **({"data": data} if data else {})})
    else:
        show(*map(str, written))
