"""The base networks of a deeply-fused network, which share its parameters, and what each adds to their mean answer.

Wang et al. 2016 (arXiv 1605.07716), Zhao et al. 2016 (arXiv 1611.07718, version 1). The statistics of the fused network
were collected on sums of lines, so a base network is also tried with statistics of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.explain.batch_norm import reestimated
from cardinet.explain.batches import Batches

Path = tuple[str, ...]
"""The name of a line for every block."""


@dataclass(frozen=True, eq=False)
class Members:
    """The probabilities (N, classes) of every base network, float64, and the classes of the pictures (N,)."""

    probabilities: Mapping[Path, Tensor]
    labels: Tensor

    def error(self, paths: Iterable[Path] | None = None) -> float:
        """The error of the mean answer of some base networks; of all by default."""
        chosen = self.probabilities if paths is None else paths
        total = torch.stack([self.probabilities[path] for path in chosen]).sum(0)
        return float((total.argmax(1) != self.labels).double().mean())

    def contribution(self, path: Path) -> float:
        """The error of the ensemble without a member, less that with it: above 0 if the member helps."""
        return self.error(self.without(path)) - self.error()

    def without(self, path: Path) -> list[Path]:
        """All paths but one."""
        return [other for other in self.probabilities if other != path]

    def of_length(self, deep: int) -> list[Path]:
        """The paths with so many deep lines."""
        return [path for path in self.probabilities if sum(line != "shallow" for line in path) == deep]


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
