"""A finished run for whoever trained it: its figures, and the places of its model and of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.report.run_report import write_report
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model
from cardinet.runs.ranks import ALONE, Ranks
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


def finished(folder: RunFolder, ranks: Ranks = ALONE) -> FinishedRun:
    """Write the report of a finished run, and collect its results. Raises WorkError if the run has none.

    Of several processes the leader does so and tells the others.
    """
    told: dict[str, Any] | None = None
    if ranks.leads:
        report, found = write_report(folder), final_results(folder.evaluation)
        told = {"network": folder.record().network, "results": found.figures(), "step": int(found.step)}
        told["report"] = str(report)
    told = ranks.from_leader(told)
    assert told is not None
    return FinishedRun(folder.path, told["network"], told["results"], told["step"], folder.model, Path(told["report"]))
