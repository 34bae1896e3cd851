"""`cardinet report`: the report of one run, or several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardinet.cli.options import Json
from cardinet.cli.talk import print_json, show


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN ...", help="Run folders; several are compared.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", help="Where it goes (default: report.html, comparison.html)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run again, or compare several runs in one page."""
    from cardinet.base.errors import Findings, RequestError
    from cardinet.base.files import write_atomic
    from cardinet.base.output_paths import check_new_file
    from cardinet.report.page import comparison, render
    from cardinet.report.write import collect
    from cardinet.runs.folder import RunFolder

    findings, contents = Findings(), []
    for path in runs:
        with findings:
            contents.append(collect(RunFolder(path)))
    with findings:
        if out is not None and (out.suffix.lower() != ".html" or out.is_dir()):
            raise RequestError(f"{out} cannot be the report; name a file that ends in .html.")
        if out is not None:
            check_new_file(out, replaces=True)
    findings.raise_if_any()
    written = out or (RunFolder(runs[0]).report if len(runs) == 1 else Path("comparison.html"))
    write_atomic(written, render(contents[0]) if len(runs) == 1 else comparison(contents))
    if as_json:
        print_json({"report": str(written)})
    else:
        show(str(written))
