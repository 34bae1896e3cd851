"""What each transform of a unit contributes: the answers of the network without it, picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.blocks.classifier import Classifier
from cardinet.explain.chain import Chain, State, chain_of
from cardinet.explain.similarity import TermSimilarity
from cardinet.explain.transforms import Transforms, with_transforms


@dataclass(frozen=True, eq=False)
class Answers:
    """Whether each picture is taken for a wrong class, and its loss (cross-entropy, float64)."""

    wrong: Tensor
    loss: Tensor


@dataclass(frozen=True, eq=False)
class Contributions:
    """The answers without each transform of a unit, (count, pictures), and the similarity of their terms."""

    unit: str
    without: Answers
    similarity: Tensor

    def changes(self, whole: Answers) -> tuple[Tensor, Tensor]:
        """The changes of error and loss of each picture when a transform is left out, float64 (count, pictures)."""
        return self.without.wrong.double() - whole.wrong.double(), self.without.loss - whole.loss


@torch.inference_mode()
def contributions(
    network: Classifier,
    pixels: Tensor,
    labels: Tensor,
    *,
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Answers, list[Contributions]]:
    """The answers of the whole network, and those without each transform of each unit, one at a time.

    `pixels` are normalised pictures (B, C, H, W), `labels` their classes (B,). The network must be in eval mode. What
    lies before a unit is computed once for all its transforms.
    """
    made, units = with_transforms(network)
    chain = chain_of(made)
    steps = [_step_of(chain, unit.unit) for unit in units]
    similarities = [TermSimilarity(unit) for unit in units]
    whole: list[Answers] = []
    without: list[list[list[Answers]]] = [[[] for _ in range(unit.count)] for unit in units]
    batches = list(zip(pixels.split(batch_size), labels.split(batch_size), strict=True))
    done, total = 0, len(batches) * sum(unit.count for unit in units)
    for x, truth in batches:
        with _heard(units, similarities):
            whole.append(_answers(chain.run(State(x.clone())).x, truth))
        state, at = State(x), 0
        for unit, step, found in zip(units, steps, without, strict=True):
            state, at = chain.run(state.fresh(), at, step), step
            for i in range(unit.count):
                unit.left_out = i
                found[i].append(_answers(chain.logits(state, step), truth))
                done += 1
                progress(done, total)
            unit.left_out = None
    return _joined(whole), [
        Contributions(unit.unit, _stacked([_joined(parts) for parts in found]), similarity.cka())
        for unit, found, similarity in zip(units, without, similarities, strict=True)
    ]


def _step_of(chain: Chain, unit: str) -> int:
    """The step that runs a unit."""
    return next(i for i, step in enumerate(chain.steps) if f"{unit}.".startswith(f"{step.name}."))


@contextmanager
def _heard(units: list[Transforms], listeners: list[TermSimilarity]) -> Iterator[None]:
    """A context in which the listeners get the outputs of the transforms."""
    for unit, listener in zip(units, listeners, strict=True):
        unit.listener = listener
    try:
        yield
    finally:
        for unit in units:
            unit.listener = None


def _answers(logits: Tensor, labels: Tensor) -> Answers:
    return Answers(logits.argmax(1) != labels, F.cross_entropy(logits.double(), labels, reduction="none"))


def _joined(parts: list[Answers]) -> Answers:
    return Answers(torch.cat([part.wrong for part in parts]), torch.cat([part.loss for part in parts]))


def _stacked(rows: list[Answers]) -> Answers:
    return Answers(torch.stack([row.wrong for row in rows]), torch.stack([row.loss for row in rows]))
