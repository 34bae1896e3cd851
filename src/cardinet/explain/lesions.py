"""The error of a network after some of its units were deleted or exchanged.

Every variation of the network is a replica that shares its parameters. For a batch the unchanged network runs once, and
each variation continues from the state before its first change. With training pictures the BN statistics behind the
first change are estimated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.blocks.classifier import Classifier
from cardinet.explain.batch_norm import estimating, norms_in
from cardinet.explain.chain import State, chain_of
from cardinet.explain.switches import replica
from cardinet.explain.units import Editable, editable

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Gives the batches anew: normalised pictures (B, C, H, W) and their classes (B,)."""


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
    """A changed network: what was done, its score with the file's statistics, and with estimated ones if asked.

    `edited` has the file's statistics. `twin` has the same change, and gets the estimated ones.
    """

    label: str
    edited: Editable
    twin: Editable
    start: int
    as_is: Score = field(default_factory=Score)
    estimated: Score | None = None


Edit = Callable[[Editable], int]
"""Changes an editable network, and returns the first step that is changed."""


def variations(network: Classifier, edits: Iterable[tuple[str, Edit]]) -> list[Variation]:
    """A variation of the network for each edit, by its label."""
    found = []
    for label, edit in edits:
        edited, twin = editable(network), editable(network)
        edit(twin)
        found.append(Variation(label, edited, twin, edit(edited)))
    return found


def measure(
    network: Classifier,
    changed: Sequence[Variation],
    test: Batches,
    train: Batches | None,
    progress: Callable[[int], None] = lambda pictures: None,
) -> None:
    """Score every variation on the test pictures, with the file's statistics and, given `train`, with estimated ones.

    `progress` is called with the pictures of each batch. The network is not changed.
    """
    whole = chain_of(replica(network).eval())
    with torch.inference_mode():
        if train is not None:
            _estimate(changed, (whole.states(pixels) for pixels, _ in train()), progress)
        for pixels, labels in test():
            states = whole.states(pixels)
            for one in changed:
                one.as_is.add(one.edited.chain.logits(states[one.start], one.start), labels)
                if train is not None:
                    one.estimated = one.estimated or Score()
                    one.estimated.add(one.twin.chain.logits(states[one.start], one.start), labels)
            progress(len(labels))


def _estimate(
    changed: Sequence[Variation], batches: Iterable[Sequence[State]], progress: Callable[[int], None]
) -> None:
    """Estimate the statistics of every twin behind its first change."""
    with ExitStack() as stack:
        for one in changed:
            modules = [step.module for step in one.twin.chain.steps[one.start : -1]]
            stack.enter_context(estimating(norms_in(modules)))
        for states in batches:
            for one in changed:
                one.twin.chain.logits(states[one.start], one.start)
            progress(len(states[0].x))
