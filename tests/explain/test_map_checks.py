"""What maps are worth, against formulas by hand; and networks that are drawn anew from the top."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.explain.map_checks import SHARES, joined, mask, probabilities_along, randomised, rank_correlation, worth
from cardinet.networks.registry import find
from explain.models import classifier, drawn, unchanged
from networks.small_networks import SMALL


class Weights(nn.Module):
    """The logits (w . x, 0), so that a probability is a sigmoid of what is left of the picture."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = torch.tensor(weights, dtype=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1) @ self.weights, x.new_zeros(len(x))], 1)


FIRST: Any = Weights(3, 2, 1, -4)


def sigmoid(*values: float) -> list[float]:
    return [1 / (1 + float(np.exp(-value))) for value in values]


def test_places_are_deleted_and_inserted_from_the_highest() -> None:
    x, maps, label = torch.ones(1, 1, 2, 2), torch.tensor([[[3.0, 2.0], [1.0, 0.0]]]), torch.tensor([0])
    deleted = probabilities_along(FIRST, x, label, maps, (0, 0.25, 0.5, 1), insert=False)
    assert deleted[0].tolist() == pytest.approx(sigmoid(2, -1, -3, 0))
    inserted = probabilities_along(FIRST, x, label, maps, (0, 0.25, 1), insert=True)
    assert inserted[0].tolist() == pytest.approx(sigmoid(0, 3, 2))


def test_drop_and_increase_have_the_formulas_of_the_paper() -> None:
    """max(0, Y - O) / Y and Y < O, where O is the probability of the picture times its map by its largest value."""
    x = torch.ones(3, 1, 2, 2)
    maps = torch.tensor([[[6.0, 0.0], [3.0, -9.0]], [[0.0, 0.0], [-1.0, 2.0]], [[-1.0, -1.0], [-1.0, -2.0]]])
    found = worth(FIRST, x, torch.tensor([0, 0, 0]), maps)
    (whole,), masked = sigmoid(2), sigmoid(3 + 0.5, -4, 0)
    assert found.whole.tolist() == pytest.approx([whole] * 3)
    assert found.masked.tolist() == pytest.approx(masked)
    assert found.drop.tolist() == pytest.approx([0, (whole - masked[1]) / whole, (whole - masked[2]) / whole])
    assert found.rises.tolist() == [True, False, False]


def test_the_areas_are_those_of_numpy() -> None:
    x, maps = torch.rand(2, 1, 4, 5), torch.rand(2, 4, 5)
    network: Any = Weights(*torch.linspace(-2, 3, 20).tolist())
    found = worth(network, x, torch.tensor([0, 1]), maps)
    assert found.deletion.tolist() == pytest.approx(np.trapezoid(found.deleted.numpy(), SHARES, axis=1).tolist())
    assert found.insertion.tolist() == pytest.approx(np.trapezoid(found.inserted.numpy(), SHARES, axis=1).tolist())
    parts = [worth(network, x[i : i + 1], torch.tensor([i]), maps[i : i + 1]) for i in range(2)]
    assert torch.allclose(joined(parts).deleted, found.deleted)
    assert torch.allclose(joined(parts).masked, found.masked)


def test_a_mask_is_the_positive_part_by_its_largest_value() -> None:
    maps = torch.tensor([[[-2.0, 1.0], [4.0, 0.0]], [[-1.0, 0.0], [-3.0, -2.0]]])
    assert mask(maps, (2, 2))[0].tolist() == [[0.0, 0.25], [1.0, 0.0]]
    assert not mask(maps, (2, 2))[1].any()
    large = F.interpolate(maps[:1, None].clamp(min=0) / 4, (6, 6), mode="bilinear")[:, 0]
    assert torch.allclose(mask(maps, (6, 6))[:1], large)


def test_redrawing_goes_from_the_classifier_down_and_leaves_the_network() -> None:
    network: Any = classifier().network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    steps = []
    with unchanged(network):
        for name, made in randomised(network, 0):
            now = made.state_dict()
            steps.append((name, {key.split(".")[0] for key in before if not torch.equal(now[key], before[key])}))
    assert [name for name, _ in steps] == ["fc", "layer3", "layer2", "layer1", "bn1", "conv1"]
    drawn_so_far: set[str] = set()
    for name, changed in steps:
        drawn_so_far.add(name)
        assert changed == drawn_so_far


def test_redrawn_weights_are_not_those_from_which_a_run_with_the_same_seed_started() -> None:
    start = drawn(seed=7)
    *_, (_, new) = randomised(start, 7)
    matrices = [
        torch.stack([a.flatten(), b.flatten()])
        for a, b in zip(start.parameters(), new.parameters(), strict=True)
        if a.dim() > 1
    ]
    assert len(matrices) > 8
    assert max(abs(float(torch.corrcoef(both.detach())[0, 1])) for both in matrices) < 0.5


TOPOLOGIES = {type(spec).__name__: spec for spec in SMALL.values() if type(spec).__name__ not in ("VGG", "AlexNet")}
TOPOLOGIES["VGG"] = find("vgg11").spec.but(depths=(1, 1), widths=(4, 4))
"""A small network of each topology but AlexNet, which is large and has no parts of its own."""


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_everything_of_a_redrawn_network_is_that_of_a_new_one(name: str) -> None:
    """No weight, scale, shift or running statistic of the trained network is left; the same seed draws the same."""
    network = drawn(TOPOLOGIES[name].but(num_classes=5))
    for trained in network.state_dict().values():
        trained.fill_(7)
    (*_, (_, new)), (*_, (_, again)) = randomised(network, 3), randomised(network, 3)
    now, norms = new.state_dict(), 0
    for key, value in now.items():
        assert torch.equal(value, again.state_dict()[key])
        assert not (value == 7).any(), key
    for module in new.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            values = (module.running_mean, module.running_var, module.weight, module.bias)
            assert all(bool((one == i).all()) for one, i in zip(values, (0, 1, 1, 0), strict=True) if one is not None)
            norms += 1
    assert (norms > 2) is (name not in ("VGG", "GoogLeNet", "Highway"))
    assert new(torch.randn(2, network.spec.in_channels, 32, 32)).isfinite().all()
    assert len(TOPOLOGIES) == 10


def test_rank_correlation_is_scipys_and_0_without_ranks() -> None:
    x, y = torch.rand(5, 7), torch.rand(5, 7)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x.flatten(), y.flatten()).statistic)
    assert rank_correlation(x, x**3) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rank_correlation(x, torch.ones(5, 7)) == 0
