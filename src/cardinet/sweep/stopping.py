"""Rules that end bad trials early, as a method of their runs that looks at the metrics of the other trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from cardinet.base.amounts import amount
from cardinet.base.errors import WorkError
from cardinet.runs.folder import RunFolder
from cardinet.sweep.sweep_file import Stopping
from cardinet.train.methods import Conditions, Hooks, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cardinet.blocks.classifier import Classifier


def asha(rule: Stopping, evaluation: int, own: float, others: Sequence[float]) -> str | None:
    """Asynchronous successive halving (Li et al. 2018): at a rung the best 1 of `reduction` so far go on."""
    rung = rule.first
    while rung < evaluation:
        rung *= rule.reduction
    every = sorted([own, *others])
    if rung != evaluation or own <= every[max(1, len(every) // rule.reduction) - 1]:
        return None
    return (
        f"it is not among the best 1 of {rule.reduction} of {amount(len(every), 'trial')} at evaluation "
        f"{evaluation} (asha)"
    )


def median_rule(rule: Stopping, evaluation: int, own: float, others: Sequence[float]) -> str | None:
    """A trial that is worse than the median of the others at the same evaluation ends."""
    if evaluation < rule.first or len(others) < rule.least or own <= median(others):
        return None
    return f"it is worse than the median of {amount(len(others), 'trial')} at evaluation {evaluation} (median)"


RULES: Mapping[str, Callable[[Stopping, int, float, Sequence[float]], str | None]] = {
    "asha": asha,
    "median": median_rule,
}
"""From the rule, the number of the evaluation, its measure, and those of the other trials at it: why a trial ends."""


def measures_at(runs: Iterable[Path], evaluation: int, metric: str) -> list[float]:
    """The measures of runs at the evaluation of this number, of those that have come so far."""
    found = []
    for run in runs:
        rows = evaluations(run)
        if len(rows) >= evaluation and (value := rows[evaluation - 1].get(metric)) is not None:
            found.append(float(value))
    return found


def evaluations(run: Path) -> list[dict[str, Any]]:
    """The evaluations of a run so far, by their lines of metrics.jsonl."""
    folder = RunFolder(run)
    return [row for row in folder.rows() if row.get("kind") == "evaluation"] if folder.metrics.exists() else []


class StopBadTrial(Method):
    """Ends a trial that a rule calls bad. `others` are the folders of the other trials, now or later."""

    rule: Stopping
    metric: str
    folder: str
    """The folder of the trial; the others lie beside it."""

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Looking(self)


class Looking(Hooks):
    """Counts the evaluations, and compares each with those of the other trials."""

    def __init__(self, method: StopBadTrial) -> None:
        import torch

        self.method = method
        self.count = torch.zeros((), dtype=torch.int64)

    def evaluated(self, row: Mapping[str, Any]) -> str | None:
        self.count += 1
        method, own = self.method, Path(self.method.folder)
        value = row.get(method.metric)
        others = (run for run in sorted(own.parent.iterdir()) if run.is_dir() and run != own)
        number = int(self.count)
        if value is None:
            return None
        return RULES[method.rule.rule](method.rule, number, value, measures_at(others, number, method.metric))

    def state(self) -> Mapping[str, Tensor]:
        return {"count": self.count}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        if state.keys() != {"count"}:
            raise WorkError("The checkpoint does not have the number of evaluations of StopBadTrial.")
        self.count.copy_(state["count"])
