"""Make a torch optimizer from the update rule for one parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

UpdateRule = Callable[[Tensor, Tensor, dict[str, Tensor], dict[str, Any]], None]
"""An update rule (parameter, gradient, state, group). The state starts empty."""


class RuleOptimizer(torch.optim.Optimizer):
    """Applies a rule to every parameter that has a gradient. Groups have the `defaults`, where they do not say it."""

    def __init__(self, groups: Iterable[dict[str, Any]], defaults: dict[str, Any], move: UpdateRule) -> None:
        super().__init__(groups, defaults)
        self.move = move

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, self.state[parameter], group)
        return loss
