"""What the methods that mix pictures have in common: which of them acts in a step, and lambda, the share of a picture.

They have the meaning of torchvision's v2 transforms: one lambda for a batch, from Beta(alpha, alpha), and each picture
is mixed with the one before it in the batch (which is in random order). timm mixes the first picture with the last, the
second with the last but one, and so on. Several processes mix the whole batch as one does: each gets the last picture
of the part before its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.train.methods import Conditions, Hooks, Method
from cardinet.train.objectives import probabilities
from cardinet.train.optimizers import Positive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cardinet.blocks.classifier import Classifier
    from cardinet.data.batches import Batch
    from cardinet.runs.ranks import Ranks


class Pictures(NamedTuple):
    """Pixels (B, C, H, W) and labels (B, classes)."""

    pixels: Tensor
    labels: Tensor

    def before(self, ranks: Ranks) -> Pictures:
        """For each picture the one before it in the whole batch of all processes; for the first the last."""
        return Pictures(*(_turned(values, ranks) for values in self))


class Mixing(Method):
    """A method that mixes the pictures of a batch, and their labels likewise: each becomes probabilities.

    At most one such method acts in a step. If the probabilities of several come to more than 1, they are divided by
    their sum, so that one of them acts in every step.
    """

    alpha: Positive = 1.0
    """The number in Beta(alpha, alpha), from which the share of a picture is drawn; near 0 most pictures stay almost as
    they are, 1: every share is as likely.
    """

    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of the steps in which the method acts; if several mix pictures and their shares come to more than 1,
    each is divided by the sum.
    """

    def check(self, network: Classifier, conditions: Conditions) -> None:
        if not conditions.objective.PROBABILITIES:
            raise RequestError(
                f"methods.{type(self).__name__} makes labels that are probabilities, which the objective "
                f"{type(conditions.objective).__name__} cannot take; use another objective."
            )

    def notes(self, conditions: Conditions) -> Sequence[str]:
        low, high = self.interval(conditions.methods)
        name = type(self).__name__
        return (
            f"{name} mixes pictures in {100 * (high - low):.3g} % of the steps. There the training error counts "
            f"{conditions.source.labelling.MIXED}, so it is higher than with whole pictures.",
        )

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Mixer(self, conditions)

    def interval(self, methods: Sequence[Method]) -> tuple[float, float]:
        """The method acts in the steps whose draw in [0, 1) is from the first number on and below the second."""
        every = [method for method in methods if isinstance(method, Mixing)]
        total = max(1.0, sum(method.probability for method in every))
        before = sum(method.probability for method in every[: every.index(self)])
        return before / total, (before + self.probability) / total

    def mixed(self, own: Pictures, before: Pictures, share: float, draw: random.Random) -> Pictures:
        """Pictures, each mixed with the one before it; `share` is the drawn lambda. The layout in memory is that of
        `own`.
        """
        raise NotImplementedError


class Mixer(Hooks):
    """Mixes the batches of a run. The draws are functions of seed and step, so there is no state."""

    def __init__(self, method: Mixing, conditions: Conditions) -> None:
        self.method, self.seed, self.ranks = method, conditions.seed, conditions.ranks
        self.classes = len(conditions.source.classes)
        self.low, self.high = method.interval(conditions.methods)

    def see(self, batch: Batch, step: int) -> Batch:
        if not self.low <= random.Random(f"{self.seed}, {step}, mixing").random() < self.high:
            return batch
        share, draw = self.draw(step)
        own = Pictures(batch.pixels, probabilities(batch.labels, batch.pixels.new_empty(0, self.classes)))
        mixed = self.method.mixed(own, own.before(self.ranks), share, draw)
        return replace(batch, pixels=mixed.pixels, labels=mixed.labels)

    def draw(self, step: int) -> tuple[float, random.Random]:
        """The lambda of a step, and the generator of its further draws."""
        draw = random.Random(f"{self.seed}, {step}, {type(self.method).__name__}")
        return draw.betavariate(self.method.alpha, self.method.alpha), draw


def blended(values: Tensor, before: Tensor, share: float) -> Tensor:
    """share * values + (1 - share) * those before them."""
    return values.mul(share).add_(before, alpha=1 - share)


def _turned(values: Tensor, ranks: Ranks) -> Tensor:
    import torch

    return torch.cat([ranks.of_the_one_before(values[-1])[None], values[:-1]])
