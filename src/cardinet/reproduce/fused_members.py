"""The base networks of a trained deeply-fused network, each with BN statistics of its own, and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cardinet.reproduce.functions import batches_of
from cardinet.reproduce.trained import Trained

if TYPE_CHECKING:
    from torch import Tensor

Path = tuple[str, ...]
"""The name of a line for every block."""


@dataclass(frozen=True)
class Members:
    """The probabilities (N, classes) of every base network on the test pictures, by path, and the classes (N,)."""

    probabilities: dict[Path, Tensor]
    labels: Tensor

    def error(self, paths: Iterable[Path]) -> float:
        """The error of the mean answer of some base networks."""
        total = sum(self.probabilities[path] for path in paths)
        return float((total.argmax(1) != self.labels).double().mean())  # type: ignore[union-attr]

    def of_length(self, deep: int) -> list[Path]:
        """The paths with so many deep lines."""
        return [path for path in self.probabilities if sum(line != "shallow" for line in path) == deep]


def members(run: Trained, *, without_deepest: bool = False) -> Members:
    """The base networks of a run, with BN statistics from all its training pictures."""
    import torch

    from cardinet.blocks.deeply_fused import DeeplyFusedNet
    from cardinet.explain.batch_norm import reestimated
    from cardinet.train.methods.shared_ensemble import base_paths

    fused = run.network()
    assert isinstance(fused, DeeplyFusedNet)
    train = [batch.pixels for batch in batches_of(run, "train")]
    test = [(batch.pixels, batch.labels) for batch in batches_of(run, "test")]
    found: dict[Path, Tensor] = {}
    for path in base_paths(fused, without_deepest=without_deepest):
        base = reestimated(fused.base(path), train)
        with torch.inference_mode():
            found[path] = torch.cat([base(pixels).double().softmax(1) for pixels, _ in test])
    return Members(found, torch.cat([labels for _, labels in test]))
