"""What attribution maps are worth: whether they depend on the weights, and whether the answer depends on their places.

Adebayo et al. 2018 (arXiv 1810.03292): a map that does not change when the weights are drawn anew explains nothing.
Petsiuk et al. 2018 (arXiv 1806.07421): deleting the places of a good map first makes the probability fall fast, and
inserting them first makes it rise fast. Chattopadhyay et al. 2017 (arXiv 1710.11063): a picture that shows only what
its map marks keeps its probability, or gets a larger one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.randomness import hash64
from cardinet.blocks.classifier import Classifier
from cardinet.build.initialise import initialise

SHARES = tuple(i / 10 for i in range(11))
"""The shares of the places that are deleted or inserted."""

REDRAWN = 1_000_033
"""The stream of the redrawn weights. With the plain seed they would be those from which a run of that seed started."""


def randomised(network: Classifier, seed: int) -> Iterator[tuple[str, Classifier]]:
    """The network with its classifier drawn anew, then also the child before it, and so on to the first child.

    A drawn child is that of a new network: its weights are those of `initialise`, and its batch norms have the scale 1,
    the shift 0, the running mean 0 and the running variance 1. It is one copy, which changes from step to step, by the
    name of the child that was drawn last. Children without parameters are no step.
    """
    made, new = copy.deepcopy(network).eval(), copy.deepcopy(network)
    with torch.random.fork_rng():
        torch.manual_seed(int(hash64(seed, REDRAWN)[0]))
        for module in new.modules():
            if (reset := getattr(module, "reset_parameters", None)) is not None:
                reset()
        initialise(new, "torchvision")
    for name in reversed((*made.body_names, *made.head_names)):
        fresh = new.get_submodule(name).state_dict()
        if fresh:
            made.get_submodule(name).load_state_dict(fresh)
            yield name, made


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's correlation of two maps of one size; 0 if one of them has only one value, and so no ranks."""
    from scipy.stats import spearmanr

    a, b = (one.flatten().cpu().numpy() for one in (first, second))
    return float(spearmanr(a, b).statistic) if a.min() < a.max() and b.min() < b.max() else 0.0


@dataclass(frozen=True, eq=False)
class Worth:
    """How the probability of each picture's class depends on the places of its map; all float64, on the CPU.

    `deleted` and `inserted`, (N, shares), are the probabilities after the highest places were deleted, or alone kept.
    `whole` and `masked`, (N,), are those of the picture and of the picture times its map.
    """

    deleted: Tensor
    inserted: Tensor
    whole: Tensor
    masked: Tensor

    @property
    def deletion(self) -> Tensor:
        """The mean probability along the deletion, (N,): small for a good map."""
        return _area(self.deleted)

    @property
    def insertion(self) -> Tensor:
        """The mean probability along the insertion, (N,): large for a good map."""
        return _area(self.inserted)

    @property
    def drop(self) -> Tensor:
        """The share of its probability that a picture loses if it shows only what its map marks, (N,), 0 to 1.

        Its mean is the paper's average drop.
        """
        return (self.whole - self.masked).clamp(min=0) / self.whole

    @property
    def rises(self) -> Tensor:
        """Whether the probability is larger then, (N,). The share of such pictures is the increase in confidence."""
        return self.masked > self.whole


def _area(along: Tensor) -> Tensor:
    """The mean height of lines over `SHARES`, (N,), by trapezoids."""
    return torch.trapezoid(along, torch.tensor(SHARES, dtype=torch.float64), dim=1)


def joined(parts: Sequence[Worth]) -> Worth:
    """The worth of the maps of several batches, in order."""
    names = ("deleted", "inserted", "whole", "masked")
    return Worth(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@torch.no_grad()
def worth(network: Classifier, pixels: Tensor, classes: Tensor, maps: Tensor) -> Worth:
    """The worth of raw maps (N, h, w) of normalised pictures (N, C, H, W) for the classes (N,).

    Deleted places have the colour that the preprocessing subtracts, which is 0 for the network.
    """
    return Worth(
        probabilities_along(network, pixels, classes, maps, SHARES, insert=False),
        probabilities_along(network, pixels, classes, maps, SHARES, insert=True),
        _chances(network, pixels, classes),
        _chances(network, pixels * mask(maps, pixels.shape[2:])[:, None], classes),
    )


def mask(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps as shares from 0 to 1: their positive values by the largest of each map, enlarged to (N, *size).

    A map without a positive value gives 0.
    """
    positive = maps.float().clamp(min=0)
    top = positive.amax((1, 2), keepdim=True)
    shares = torch.where(top > 0, positive / top.clamp(min=torch.finfo(torch.float32).tiny), 0.0)
    return F.interpolate(shares[:, None], list(size), mode="bilinear")[:, 0]


@torch.no_grad()
def probabilities_along(
    network: nn.Module, pixels: Tensor, classes: Tensor, maps: Tensor, shares: Sequence[float], *, insert: bool
) -> Tensor:
    """The probability of each picture's class after the highest places of its map were deleted, or alone inserted.

    float64 (N, shares), on the CPU. Deleted places are 0.
    """
    large = F.interpolate(maps[:, None].float(), pixels.shape[2:], mode="bilinear")[:, 0].flatten(1)
    order = large.argsort(dim=1, descending=True, stable=True)
    found = []
    for share in shares:
        count = round(share * order.shape[1])
        chosen = torch.zeros_like(large).scatter_(1, order[:, :count], 1.0).view(-1, 1, *pixels.shape[2:])
        found.append(_chances(network, pixels * (chosen if insert else 1 - chosen), classes))
    return torch.stack(found, 1)


def _chances(network: nn.Module, pixels: Tensor, classes: Tensor) -> Tensor:
    logits: Tensor = network(pixels)
    return logits.cpu().double().softmax(1).gather(1, classes[:, None].cpu())[:, 0]
