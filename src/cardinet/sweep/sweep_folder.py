"""The folder of a sweep.

    DIR/sweep.toml           the sweep, complete
    DIR/trials/0007.json     the settings of a trial, written before it begins, and why it failed if it did
    DIR/trials/0007/         its run folder, as of `cardinet train`
    DIR/sweep.json           all trials with their results, and the best
    DIR/report.html          the page

What has happened stands only in these files: there is no other state of a sampler or an engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cardinet.base.documents import parse_toml, to_json
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import locked, remove_parts, write_atomic
from cardinet.base.output_paths import check_new_folder
from cardinet.base.schemas import Count, Document, read_document
from cardinet.runs.folder import RunFolder
from cardinet.runs.results import read_results
from cardinet.runs.toml_writer import dumps
from cardinet.sweep.stopping import evaluations
from cardinet.sweep.sweep_file import SweepFile

State = Literal["finished", "ended early", "failed", "not finished"]


class TrialRecord(Document):
    """NUMBER.json: the settings of a trial by key. `failed` says why it failed."""

    number: Count
    values: dict[str, Any]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A trial so far: its state, the measure of its best weights on the validation pictures, and its epochs."""

    record: TrialRecord
    state: State
    measure: float | None
    epochs: float | None

    def to_document(self, metric: str) -> dict[str, Any]:
        about = {"trial": self.record.number, "state": self.state, metric: self.measure, "epochs": self.epochs}
        failed = {"failed": list(self.record.failed)} if self.record.failed else {}
        return {**about, "settings": self.record.values, **failed}


class SweepFolder:
    """The files of a sweep by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.toml = path / "sweep.toml"
        self.trials = path / "trials"
        self.result = path / "sweep.json"
        self.report = path / "report.html"

    def check(self, file: SweepFile | None) -> None:
        """Raise RequestError if the folder cannot be made, is no sweep, or is one of another file (None: unknown)."""
        if not self.path.exists():
            check_new_folder(self.path, parents=True)
            return
        if not self.toml.is_file():
            if self.path.is_dir() and not any(self.path.iterdir()):
                return
            raise RequestError(f"{self.path} exists and is no sweep; give --out a folder that does not.")
        if file is None:
            return
        begun: SweepFile = read_document(self.toml, SweepFile, parse_toml)
        different = [
            name for name in SweepFile.model_fields if name != "trials" and getattr(begun, name) != getattr(file, name)
        ]
        if different:
            both = ((name, repr(getattr(begun, name)), repr(getattr(file, name))) for name in different)
            pairs = [f"{name} = {there:.200} there, {here:.200} here" for name, there, here in both]
            raise RequestError(
                f"{self.path} was begun with another sweep: {'; '.join(pairs)}. Only the number of trials may change; "
                "give --out another folder."
            )

    @contextmanager
    def locked(self, file: SweepFile) -> Iterator[None]:
        """Make the folder if it is not there, and hold its lock. Raises WorkError if another process writes it."""
        try:
            self.trials.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(f"{self.path} cannot be made: {error.strerror}.") from error
        with locked(self.path, f"{self.path} is being written by another process; wait for it or stop it."):
            remove_parts(self.path)
            remove_parts(self.trials)
            write_atomic(self.toml, dumps(file.model_dump(mode="json")))
            yield

    def run(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.trials / f"{number:04d}"

    def write(self, record: TrialRecord) -> None:
        """Write the record of a trial."""
        path = self.trials / f"{record.number:04d}.json"
        write_atomic(path, to_json(record.model_dump(mode="json"), indent=1) + "\n")

    def outcomes(self, metric: str) -> list[Outcome]:
        """All trials that were drawn, in order. Raises WorkError if a file is damaged."""
        numbers = sorted(int(path.stem) for path in self.trials.glob("[0-9]*.json"))
        return [self.outcome(number, metric) for number in numbers]

    def outcome(self, number: int, metric: str) -> Outcome:
        """One trial. Raises WorkError if a file of it is damaged."""
        record: TrialRecord = read_document(self.trials / f"{number:04d}.json", TrialRecord)
        run = RunFolder(self.run(record.number))
        rows = evaluations(run.path)
        epochs = float(rows[-1]["epoch"]) if rows else None
        if record.failed:
            return Outcome(record, "failed", None, epochs)
        results = read_results(run.evaluation) if run.model.exists() else None
        if results is None:
            return Outcome(record, "not finished", None, epochs)
        measure = results.figures().get("validation", {}).get(metric)
        early = bool(rows) and bool(rows[-1].get("ends"))
        return Outcome(record, "ended early" if early else "finished", measure, epochs)
