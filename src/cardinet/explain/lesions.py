"""The error of a network after some of its units were deleted or exchanged.

For a batch the unchanged network runs once, and each variation continues from the state before its first change. With
training pictures the BN statistics behind the first change are estimated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.explain.batch_norm import Estimates, norms_in
from cardinet.explain.batches import Batches
from cardinet.explain.chain import State
from cardinet.explain.units import Changed, Editable


@dataclass
class Score:
    """The counts of one variation: wrong answers, pictures, and the sum of the losses."""

    wrong: int = 0
    count: int = 0
    loss_sum: float = 0.0

    @property
    def error(self) -> float:
        return self.wrong / self.count

    @property
    def loss(self) -> float:
        return self.loss_sum / self.count

    def add(self, logits: Tensor, labels: Tensor) -> None:
        self.wrong += int((logits.argmax(1) != labels).sum())
        self.count += len(labels)
        self.loss_sum += float(F.cross_entropy(logits.double(), labels, reduction="sum"))


@dataclass
class Variation:
    """A changed network, its score with the file's statistics, and with estimated ones if they were asked for."""

    changed: Changed
    as_is: Score = field(default_factory=Score)
    estimated: Score | None = None

    @property
    def start(self) -> int:
        return self.changed.start

    def logits(self, state: State) -> Tensor:
        """The logits from the state before the first change."""
        return self.changed.chain.logits(state, self.start)


def estimates_of(changed: Changed) -> Estimates:
    """Statistics for the norms behind the first change; those before it see what they saw in training."""
    return Estimates(norms_in(step.module for step in changed.chain.steps[changed.start :]))


def measure(
    found: Editable,
    changed: Sequence[Changed],
    test: Batches,
    train: Batches | None,
    progress: Callable[[int], None] = lambda pictures: None,
) -> list[Variation]:
    """Score changed networks on the test pictures, with the file's statistics and, given `train`, with estimated ones.

    All batches of `train` have one weight. `progress` is called with the pictures of each batch.
    """
    by_start: dict[int, list[tuple[Variation, Estimates | None]]] = {}
    every = [Variation(one) for one in changed]
    for one in every:
        by_start.setdefault(one.start, []).append((one, None if train is None else estimates_of(one.changed)))
    with torch.inference_mode():
        for pixels, _ in () if train is None else train():
            for start, state in found.chain.before(pixels, by_start):
                for one, estimates in by_start[start]:
                    assert estimates is not None
                    with estimates.collecting():
                        one.logits(state)
            progress(len(pixels))
        for pixels, labels in test():
            for start, state in found.chain.before(pixels, by_start):
                for one, estimates in by_start[start]:
                    one.as_is.add(one.logits(state), labels)
                    if estimates is not None:
                        one.estimated = one.estimated or Score()
                        with estimates.used():
                            one.estimated.add(one.logits(state), labels)
            progress(len(labels))
    return every
