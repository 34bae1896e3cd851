"""A finished run for whoever trained it: its figures, and the places of its model and of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.report.run_report import write_report
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model
from cardinet.runs.results import final_results


@dataclass(frozen=True)
class FinishedRun:
    """A run folder whose files all exist.

    `results` are the figures of the kept model by split ("error", "wrong", "count", "loss", ...), `step` is the step
    of its weights.
    """

    folder: Path
    network: str
    results: Mapping[str, Mapping[str, Any]]
    step: int
    model_file: Path
    report: Path

    def model(self, device: str = "cpu") -> Model:
        """The trained classifier; its `predict` takes pictures."""
        return load_model(self.model_file, device)


def finished(folder: RunFolder) -> FinishedRun:
    """Write the report of a finished run and collect its results. Raises WorkError if the run has none."""
    report, found = write_report(folder), final_results(folder.evaluation)
    return FinishedRun(folder.path, folder.record().network, found.figures(), int(found.step), folder.model, report)
