"""`cardinet sweep`: many trainings over a space of settings, with a table and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.base.amounts import amount
from cardinet.cli.options import Engine, Json, NoBounds, Processes
from cardinet.cli.talk import errors, print_json, say, show, show_table

if TYPE_CHECKING:
    from cardinet.sweep.job import Result

TEN = 10
"""The trials that are shown; sweep.json and the page have all."""


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file in TOML that describes the sweep.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder of the sweep. Default: sweeps/ and the file's name."),
    ] = None,
    engine: Engine = "local",
    processes: Processes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the sweep. Train nothing.")] = False,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Train with many settings, and show which are best. The same command goes on where it was stopped.

    A file, for example:

        data = "digits"
        trials = 20
        sampler = "TPE"          # or random, grid, GP

        [settings]               # of every trial, as in `cardinet settings`
        training.length = "6 epochs"

        [space]
        optimizer.lr = {low = 0.001, high = 1.0, log = true}
        batch_size = [32, 64, 128]

        [stopping]               # optional: bad trials end early
        rule = "asha"            # or median

    With --engine ray a trial computes with one thread, unless the settings have threads.
    """
    from cardinet.cli.progress import Bar
    from cardinet.engines.choice import engine_named
    from cardinet.report.sweep_page import measure_text, settings_text, write_page
    from cardinet.sweep.job import Request, Watcher, resolve, run
    from cardinet.sweep.sweep_folder import Outcome

    class Shown(Watcher):
        def progress(self, done: float, count: int) -> None:
            bar.line.show(f"trials {done:.1f}/{count}", int(100 * done), 100 * count)

        def finished(self, outcome: Outcome) -> None:
            bar.line.clear()
            number = outcome.record.number
            if outcome.record.failed:
                errors(f"trial {number}: {finding}" for finding in outcome.record.failed)
            else:
                measured = measure_text(outcome.measure, asked.file.metric)
                say(f"trial {number} {outcome.state}, validation {measured}: {settings_text(outcome.record.values)}")

    asked = resolve(Request(file, out, engine, processes))
    for note in asked.notes:
        say(note)
    if dry_run:
        say(
            f"{amount(asked.count, 'trial')} by the sampler {asked.file.sampler} in {asked.folder.path}. Nothing "
            "was trained."
        )
        return
    with Bar("trials") as bar, engine_named(engine, processes, gpus=asked.gpus) as chosen:
        result = run(asked, Shown(), chosen)
    write_page(asked.folder.report, asked.request.path.stem, result)
    if as_json:
        print_json({"sweep": str(asked.folder.path), "report": str(asked.folder.report), **result.to_document()})
        return
    _print(result)
    show(f"report {asked.folder.report}")


def _print(result: Result) -> None:
    """Print the best trials as a table."""
    from cardinet.report.sweep_page import cells, ranked

    ranks = ranked(result)
    keys = [*result.file.space]
    show_table(
        {"trial": "right", result.file.metric: "right", "state": "left", **dict.fromkeys(keys, "right")},
        [cells(outcome, result.file.metric, keys) for outcome in ranks[:TEN]],
    )
    if len(ranks) > TEN:
        say(f"The best {TEN} of {amount(len(ranks), 'trial')}; sweep.json has all.")
