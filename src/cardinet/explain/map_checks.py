"""What an attribution map is worth: whether it depends on the weights, and whether the answer depends on its places.

Adebayo et al. 2018 (arXiv 1810.03292): a map that does not change when the weights are drawn anew explains nothing.
Petsiuk et al. 2018 (arXiv 1806.07421): deleting the places of a good map first makes the probability fall fast, and
inserting them first makes it rise fast.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.blocks.classifier import Classifier
from cardinet.explain.attribution.method import Method


def randomised(network: Classifier, seed: int) -> Iterator[tuple[str, Classifier]]:
    """The network with its classifier drawn anew, then also its last stage, and so on down to the first child.

    Each is a copy with parameters of its own, by the name of the child that was drawn last.
    """
    made = copy.deepcopy(network).eval()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name in (made.head_names[-1], *reversed(made.body_names)):
            drawn = 0
            for module in made.get_submodule(name).modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    module.reset_parameters()
                    drawn += 1
            if drawn:
                yield name, made


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's correlation of two maps of one size."""
    from scipy.stats import spearmanr

    found = float(spearmanr(first.flatten().cpu().numpy(), second.flatten().cpu().numpy()).statistic)
    return found if found == found else 0.0  # a map of one value has no ranks


def sanity(
    network: Classifier, method: Method, pixels: Tensor, classes: Tensor, layer: str, seed: int
) -> list[tuple[str, list[float]]]:
    """The rank correlation of each picture's map with the map of the trained network, as more layers are drawn anew."""
    trained = method.maps(network, pixels, classes, layer)
    return [
        (
            name,
            [rank_correlation(a, b) for a, b in zip(trained, method.maps(made, pixels, classes, layer), strict=True)],
        )
        for name, made in randomised(network, seed)
    ]


@torch.no_grad()
def probabilities_along(
    network: Classifier, pixels: Tensor, classes: Tensor, maps: Tensor, shares: Sequence[float], *, insert: bool
) -> list[list[float]]:
    """The probability of each picture's class after the highest places of its map were deleted, or alone inserted.

    One list for each share of the places. Deleted places have the mean colour.
    """
    large = F.interpolate(maps[:, None].float(), pixels.shape[2:], mode="bilinear")[:, 0].flatten(1)
    order = large.argsort(dim=1, descending=True)
    found = []
    for share in shares:
        count = round(share * order.shape[1])
        chosen = torch.zeros_like(large).scatter_(1, order[:, :count], 1.0).view(-1, 1, *pixels.shape[2:])
        shown = pixels * (chosen if insert else 1 - chosen)
        chances = network(shown).softmax(1).gather(1, classes[:, None])[:, 0]
        found.append(chances.tolist())
    return found
