"""A sweep from its file to its result: trials that are there are kept, one in the middle goes on, the rest is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from cardinet.base.documents import to_json
from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.engines.choice import LOCAL, check_engine
from cardinet.engines.engine import Engine
from cardinet.sweep.samplers import Draw, Told, check_library, sampler
from cardinet.sweep.sweep_file import SweepFile, read_sweep
from cardinet.sweep.sweep_folder import Outcome, SweepFolder, TrialRecord
from cardinet.sweep.trial import Trial, begin, written_by
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener
from cardinet.train.request import Resolved
from cardinet.train.request import resolve as resolve_training

FAILURES = 3
"""So many failed trials in a row end the sweep, as something else than their settings must be wrong."""


@dataclass(frozen=True)
class Request:
    """The sweep in `path`, in the folder `out`, by an engine (`engines.choice`)."""

    path: Path
    out: Path | None = None
    engine: str = LOCAL
    processes: int | None = None


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep that can start: its file, its folder, the draws of its `count` trials.

    `gpus` is the number of GPUs of a trial, `threads` the number of threads of each where several run side by side.
    """

    request: Request
    file: SweepFile
    folder: SweepFolder
    draw: Draw
    count: int
    gpus: int
    notes: tuple[str, ...] = ()

    @property
    def threads(self) -> int | None:
        return None if self.request.engine == LOCAL else 1

    def trial(self, record: TrialRecord) -> Trial:
        """The trial of a record."""
        folder = self.folder.run(record.number).absolute()
        return Trial(record.number, folder, self.file, record.values, self.threads)


@dataclass(frozen=True)
class Result:
    """All trials of a sweep, and the best of those that came to their end."""

    file: SweepFile
    outcomes: tuple[Outcome, ...]
    best: Outcome | None

    def to_document(self) -> dict[str, Any]:
        """The result as plain data."""
        best = None if self.best is None else self.best.to_document(self.file.metric)
        trials = [outcome.to_document(self.file.metric) for outcome in self.outcomes]
        return {"metric": self.file.metric, "best": best, "trials": trials, "versions": written_by()}


class Watcher:
    """Ignores what a sweep says. A subclass shows it."""

    def progress(self, done: float, count: int) -> None:
        """So many trials are done; one in the middle counts by its steps."""

    def finished(self, outcome: Outcome) -> None:
        """A trial has come to its end, or has failed."""


def resolve(request: Request) -> Sweep:
    """Check a sweep whole: its file, its folder, its engine, and its first trial with the pictures.

    Raises RequestError or WorkError with all findings.
    """
    findings = Findings()
    file: SweepFile | None = None
    drawn: tuple[Draw, int] | None = None
    resolved: Resolved | None = None
    folder = SweepFolder(request.out or Path("sweeps") / request.path.stem)
    with findings:
        check_engine(request.engine, request.processes, work="sweep")
    with findings:
        file, faults = read_sweep(request.path)
        with findings:
            check_library(file)
        if not faults:
            with findings:
                drawn = sampler(file)
        with findings:
            folder.check(None if faults else file)
        findings.errors += faults.errors
        resolved = _first_trial(request, file, drawn)
    findings.raise_if_any()
    assert file is not None
    assert drawn is not None
    assert resolved is not None
    gpus = int(resolved.task.device.startswith("cuda"))
    return Sweep(request, file, folder, *drawn, gpus=gpus, notes=resolved.notes)


def _first_trial(request: Request, file: SweepFile, drawn: tuple[Draw, int] | None) -> Resolved:
    """The first trial, checked with its pictures; what is wrong in its file is left out of it.

    Raises RequestError or WorkError with all findings.
    """
    values = drawn[0](0, []) if drawn is not None else file.first_values()
    trial = Trial(0, Path("check"), file, values, None if request.engine == LOCAL else 1)
    resolved = resolve_training(replace(trial.request, out=None), Listener())
    if "validation" not in resolved.task.source.splits:
        raise RequestError(
            f"A sweep needs validation pictures, as test pictures must decide nothing, and {resolved.task.source.text} "
            "has none; give data.validation = 0.1 in [settings]."
        )
    return resolved


def run(sweep: Sweep, watcher: Watcher, engine: Engine) -> Result:
    """Run the trials that are missing, and write sweep.json.

    Raises Interrupted if the user stops it, and WorkError if several trials in a row fail.
    """
    folder, parts = sweep.folder, dict[int, float]()
    failures: list[Outcome] = []

    def heard(trial: Trial, share: float) -> None:
        parts[trial.number] = share
        watcher.progress(done + sum(parts.values()), sweep.count)

    with folder.locked(sweep.file):
        outcomes = folder.outcomes(sweep.file.metric)
        done = sum(outcome.state != "not finished" for outcome in outcomes)
        try:
            for trial, failed in engine.each(begin, _trials(sweep, outcomes), heard):
                parts.pop(trial.number, None)
                if failed:
                    folder.write(TrialRecord(number=trial.number, values=dict(trial.values), failed=failed))
                outcome = folder.outcome(trial.number, sweep.file.metric)
                done += 1
                watcher.finished(outcome)
                watcher.progress(done + sum(parts.values()), sweep.count)
                failures = [*failures, outcome] if failed else []
                if len(failures) == FAILURES:
                    raise WorkError(*_given_up(folder, failures))
        except (Interrupted, KeyboardInterrupt):
            again = f"cardinet sweep {quote(str(sweep.request.path))} --out {quote(str(folder.path))}"
            raise Interrupted(f"Stopped; what was done is saved. The sweep goes on with: {again}") from None
        result = result_of(sweep)
        write_atomic(folder.result, to_json(result.to_document(), indent=1) + "\n")
    return result


def _given_up(folder: SweepFolder, failures: list[Outcome]) -> list[str]:
    last = failures[-1].record
    numbers = ", ".join(str(outcome.record.number) for outcome in failures)
    return [
        *last.failed,
        f"The trials {numbers} failed one after the other, so the sweep stops. To run a failed trial again, remove its "
        f"files {folder.trials}/NUMBER.json and NUMBER/.",
    ]


def _trials(sweep: Sweep, outcomes: list[Outcome]) -> Iterator[Trial]:
    """The trials to run: those in the middle, then new ones, drawn when a process is free for them."""
    for outcome in outcomes:
        if outcome.state == "not finished":
            yield sweep.trial(outcome.record)
    known = {outcome.record.number for outcome in outcomes}
    for number in range(sweep.count):
        if number in known:
            continue
        told = [Told(one.record.values, one.measure) for one in sweep.folder.outcomes(sweep.file.metric)]
        record = TrialRecord(number=number, values=sweep.draw(number, told))
        sweep.folder.write(record)
        yield sweep.trial(record)


def result_of(sweep: Sweep) -> Result:
    """The result of the trials that are there."""
    outcomes = tuple(sweep.folder.outcomes(sweep.file.metric))
    measured = [outcome for outcome in outcomes if outcome.measure is not None]
    best = min(measured, key=lambda outcome: (outcome.measure, outcome.record.number), default=None)
    return Result(sweep.file, outcomes, best)
