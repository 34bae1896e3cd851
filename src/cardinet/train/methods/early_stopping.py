"""Early stopping: the run ends when the validation error has not improved for some evaluations (Prechelt 1998)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.train.methods import Conditions, Hooks, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cardinet.blocks.classifier import Classifier


NONE_YET = 2.0
"""The lowest error before the first evaluation, so far above 1 that every error improves it."""


class EarlyStopping(Method):
    """The run ends after `patience` evaluations in a row without an improvement, and counts as finished.

    The learning rate follows the schedule of the whole length until then. The best weights are kept in any case.
    """

    patience: Annotated[int, Field(ge=1)] = 5
    """The number of evaluations in a row without an improvement after which the run ends."""

    improvement: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How much lower than the lowest validation error so far a new one must be, as a share of the pictures (0.001: 0.1
    percentage points); 0: any lower error is an improvement.
    """

    def check(self, network: Classifier, conditions: Conditions) -> None:
        findings = Findings()
        with findings:
            if "validation" not in conditions.source.splits:
                raise RequestError(
                    "EarlyStopping needs validation pictures, as test pictures must decide nothing; give --set "
                    "data.validation=0.1."
                )
        with findings:
            if others := [type(method).__name__ for method in conditions.methods if not method.SELECTS]:
                raise RequestError(
                    f"EarlyStopping cannot be combined with {others[0]}, whose result is that of the whole run."
                )
        findings.raise_if_any()

    def notes(self, conditions: Conditions) -> Sequence[str]:
        clock = conditions.clock
        if self.patience * clock.evaluate_every >= clock.length:
            return (
                f"EarlyStopping.patience = {self.patience}: the run has no more evaluations than that after the first, "
                "so it cannot end early; evaluate more often (evaluate_every) or give a smaller patience.",
            )
        count = "one evaluation" if self.patience == 1 else f"{self.patience} evaluations"
        return (
            f"The run ends early after {count} without a lower validation error (EarlyStopping); "
            f"its schedule, {type(conditions.schedule).__name__}, is made for all {amount(clock.length, 'step')} "
            "and is then "
            "cut short.",
        )

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Waiting(self)


class Waiting(Hooks):
    """Counts the evaluations since the last improvement."""

    def __init__(self, method: EarlyStopping) -> None:
        import torch

        self.method = method
        self.lowest = torch.tensor(NONE_YET, dtype=torch.float64)
        self.waited = torch.zeros((), dtype=torch.int64)

    def evaluated(self, row: Mapping[str, Any]) -> str | None:
        if row["error"] < self.lowest.item() - self.method.improvement:
            self.lowest.fill_(row["error"])
            self.waited.zero_()
        else:
            self.waited += 1
        if self.waited.item() < self.method.patience:
            return None
        count, least = self.method.patience, self.method.improvement
        who = "the last evaluation has" if count == 1 else f"the last {count} evaluations have"
        by = f" by {100 * least:g} percentage points" if least else ""
        return f"{who} not improved the validation error of {100 * self.lowest.item():.2f} %{by}"

    def state(self) -> Mapping[str, Tensor]:
        return {"lowest": self.lowest, "waited": self.waited}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        if state.keys() != {"lowest", "waited"}:
            raise WorkError("The checkpoint does not have the lowest error of EarlyStopping.")
        self.lowest.copy_(state["lowest"])
        self.waited.copy_(state["waited"])
