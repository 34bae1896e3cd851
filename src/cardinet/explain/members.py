"""The base networks of a deeply-fused network, which share its parameters, and what each adds to their mean answer.

Wang et al. 2016 (arXiv 1605.07716), Zhao et al. 2016 (arXiv 1611.07718, version 1). The statistics of the fused network
were collected on sums of lines, so a base network is also tried with statistics of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.explain.batch_norm import reestimated

Path = tuple[str, ...]
"""The name of a line for every block."""

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Gives the batches anew: normalised pictures (B, C, H, W) and their classes (B,)."""


@dataclass(frozen=True, eq=False)
class Members:
    """The probabilities (N, classes) of every base network, float64, and the classes of the pictures (N,)."""

    probabilities: Mapping[Path, Tensor]
    labels: Tensor

    def error(self, path: Path) -> float:
        """The error of one base network."""
        return self._error(self.probabilities[path])

    def ensemble_error(self, without: Path | None = None) -> float:
        """The error of the mean answer of all base networks, or of all but one."""
        return self._error(self._total if without is None else self._total - self.probabilities[without])

    @cached_property
    def _total(self) -> Tensor:
        """The sum of all probabilities, (N, classes)."""
        return torch.stack(tuple(self.probabilities.values())).sum(0)

    def contribution(self, path: Path) -> float:
        """The error of the ensemble without a member, less that with it: above 0 if the member helps."""
        return self.ensemble_error(path) - self.ensemble_error()

    def _error(self, probabilities: Tensor) -> float:
        return float((probabilities.argmax(1) != self.labels).double().mean())


@torch.inference_mode()
def members(
    network: DeeplyFusedNet, paths: Iterable[Path], test: Batches, train: Batches | None, progress: Callable[[], None]
) -> Members:
    """The answers of the base networks along some paths.

    With `train` each has BN statistics from these pictures, else those of the fused network. `progress` is called
    after each member. The network is not changed.
    """
    found: dict[Path, Tensor] = {}
    labels = torch.cat([labels for _, labels in test()])
    for path in paths:
        base = network.base(path).eval()
        if train is not None:
            base = reestimated(base, (pixels for pixels, _ in train()))
        found[path] = torch.cat([base(pixels).double().softmax(1) for pixels, _ in test()])
        progress()
    return Members(found, labels)
