"""`cardinet.sweep(...)`: the command `cardinet sweep` for programs and notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardinet.sweep.job import Result, Watcher


def sweep(
    file: str | Path,
    *,
    out: str | Path | None = None,
    engine: str = "local",
    processes: int | None = None,
    watcher: Watcher | None = None,
) -> Result:
    """Train with many settings, as `cardinet sweep` does; return all trials with their results, and the best.

    `file` describes the sweep in TOML (`cardinet.sweep.sweep_file` has an example). `out` is its folder; a sweep that
    was stopped there goes on. With `engine="ray"` the trials run in so many processes of Ray. `watcher` gets the
    events. Raises RequestError with all faults before any work, WorkError if several trials in a row fail, and
    `cardinet.train.interrupt.Interrupted` if the user stops it.
    """
    from cardinet.engines.choice import engine_named
    from cardinet.report.sweep_page import write_page
    from cardinet.sweep.job import Request, Watcher, resolve, run

    asked = resolve(Request(Path(file), None if out is None else Path(out), engine, processes))
    with engine_named(engine, processes, gpus=asked.gpus) as chosen:
        result = run(asked, watcher or Watcher(), chosen)
    write_page(asked.folder.report, asked.request.path.stem, result)
    return result
