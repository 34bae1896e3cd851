"""Keep an average of the weights over the steps: Polyak and Juditsky 1992; here exponential, as in
Szegedy et al. 2015, Section 8 (arXiv 1512.00567).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from cardinet.base.errors import WorkError
from cardinet.train.methods import Conditions, Hooks, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cardinet.blocks.classifier import Classifier


class WeightAverage(Method):
    """After each step a <- d * a + (1 - d) * w for every parameter and running statistic.

    d is `decay`, or (1 + n) / (10 + n) after n steps while that is less, so that a short run forgets its random initial
    weights. Evaluations and model files use the average; training continues with the weights.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    """The share d of the average that each step keeps, once the run is long enough for it."""

    REPLACES: ClassVar[bool] = True

    def notes(self, conditions: Conditions) -> Sequence[str]:
        said = [
            "Evaluations and the model file use the average of the weights over the steps (WeightAverage); "
            "weights_error in metrics.jsonl is the error of the weights themselves."
        ]
        horizon, length = 1 / (1 - self.decay), conditions.clock.length
        if horizon > length:
            said.append(
                f"WeightAverage.decay = {self.decay:g} averages over about {horizon:,.0f} steps, more than the "
                f"{length:,} of the run, so it never takes effect: the average is over about the last ninth of the "
                f"steps. A decay of {max(0.0, 1 - 10 / length):.4g} or less takes effect."
            )
        return said

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Averaging(self.decay, network)


class Averaging(Hooks):
    """The average of one run. It starts with the initial weights of the run."""

    def __init__(self, decay: float, network: Classifier) -> None:
        import copy

        self.decay = decay
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.pairs = [
            (mine, theirs.detach())
            for mine, theirs in zip(
                self.average.state_dict().values(), network.state_dict(keep_vars=True).values(), strict=True
            )
        ]

    def after_update(self, step: int) -> None:
        """Update the average. Counters, which are whole numbers, are copied from the network."""
        weight = 1 - min(self.decay, (2 + step) / (11 + step))
        for mine, theirs in self.pairs:
            if mine.is_floating_point():
                mine.lerp_(theirs, weight)
            else:
                mine.copy_(theirs)

    def judged(self, network: Classifier) -> Classifier:
        return self.average

    def state(self) -> Mapping[str, Tensor]:
        return self.average.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        own = self.average.state_dict()
        if own.keys() != state.keys() or any(own[name].shape != state[name].shape for name in own):
            raise WorkError("The checkpoint does not have the average of this network's weights.")
        for name, tensor in own.items():
            tensor.copy_(state[name])
