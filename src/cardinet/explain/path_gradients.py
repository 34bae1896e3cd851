"""The gradient at the picture through paths of a given length: Veit et al. 2016, Section 5 (arXiv 1605.06431).

A batch runs through the whole network. On the way back it passes only the branch of k units, drawn at random, and only
the shortcut of the others.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.base.errors import WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.explain.switches import Switch, switched
from cardinet.measure.paths import count_paths
from cardinet.networks.path_graph import PathGraph


@dataclass(frozen=True)
class GradientAtLength:
    """The gradient at the picture through paths of `length` branches.

    `norms` has the mean norm over the pictures of each draw, `paths` is the number of such paths. `share` is the share
    of this length in the sum over all: mean norm times the number of choices of the units.
    """

    length: int
    norms: Sequence[float]
    paths: int
    share: float

    @property
    def mean(self) -> float:
        return sum(self.norms) / len(self.norms)


def has_path_gradients(network: Classifier, graph: PathGraph) -> bool:
    """Whether the gradient can be taken path by path: the network is a chain of units with one shortcut each."""
    forks = [ways for ways in graph.maps if len(ways) > 1]
    return graph.is_chain and 0 < len(forks) == len(switched(network)[1])


def gradient_by_length(
    network: Classifier,
    pixels: Tensor,
    labels: Tensor,
    *,
    draws: int,
    seed: int,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[GradientAtLength]:
    """The norm of the gradient of the loss at the picture, for each k from 0 to the number of units, by `draws` draws.

    `pixels` are normalised pictures (B, C, H, W), `labels` their classes (B,); they pass in batches. The network has
    path gradients (`has_path_gradients`). Raises WorkError if a gradient is not a finite number.
    """
    by_length = count_paths(network.spec.path_graph()).by_length
    made, named = switched(network)
    switches, drawn = list(named.values()), random.Random(seed)
    units, always = len(switches), min(by_length)  # units without a shortcut are on every path
    size, norms = batch_size or len(labels), list[list[float]]()
    parts = list(zip(pixels.split(size), labels.split(size), strict=True))

    def norm_through(chosen: Collection[int]) -> float:
        gradients = [gradient_through(made, switches, chosen, *part) for part in parts]
        return mean_norm(torch.cat(gradients))

    for k in range(units + 1):
        progress(k, units + 1)
        choices = 1 if k in (0, units) else draws  # there is only one choice of none and of all
        chosen = [frozenset(drawn.sample(range(units), k)) for _ in range(choices)]
        norms.append([norm_through(one) for one in chosen])
    if not all(math.isfinite(norm) for of_length in norms for norm in of_length):
        raise WorkError("The gradient at the picture is not a finite number: the values of the network are too large.")
    means = [sum(of_length) / len(of_length) for of_length in norms]
    shares = _shares(means, [math.comb(units, k) for k in range(units + 1)])
    return [GradientAtLength(k + always, norms[k], by_length[k + always], shares[k]) for k in range(units + 1)]


def gradient_through(
    network: Classifier, switches: Sequence[Switch], chosen: Collection[int], pixels: Tensor, labels: Tensor
) -> Tensor:
    """The gradient (B, C, H, W) of each picture's own loss at its pixels, through one choice of the units' sides.

    It passes the branch of the `chosen` units and the shortcut of the others. The values are those of the network.
    """
    for i, switch in enumerate(switches):
        switch.gradients = "branch" if i in chosen else "shortcut"
    with torch.enable_grad():
        x = pixels.detach().clone().requires_grad_()
        loss = F.cross_entropy(network(x), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return gradient


def mean_norm(gradient: Tensor) -> float:
    """The mean, over the pictures, of the norm of the gradient (B, C, H, W)."""
    return float(gradient.flatten(1).double().norm(dim=1).mean())


def carrying_range(gradients: Sequence[GradientAtLength], share: float) -> tuple[int, int, float]:
    """The narrowest range of lengths that carries at least a share of the gradient, and what it carries."""
    shares = [one.share for one in gradients]
    for width in range(1, len(shares) + 1):
        held, first = max((sum(shares[i : i + width]), -i) for i in range(len(shares) - width + 1))
        if held >= share:
            return gradients[-first].length, gradients[-first].length + width - 1, held
    return gradients[0].length, gradients[-1].length, sum(shares)


def _shares(means: Sequence[float], choices: Sequence[int]) -> list[float]:
    """The shares of mean times choices. Choices reach 2^300: logarithms keep them beside small norms."""
    logs = [
        math.log(mean) + math.log(many) if mean > 0 else -math.inf for mean, many in zip(means, choices, strict=True)
    ]
    top = max(logs)
    weights = [math.exp(value - top) if top > -math.inf else 0.0 for value in logs]
    total = sum(weights) or 1.0
    return [weight / total for weight in weights]
