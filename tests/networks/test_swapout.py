"""Swapout: Singh, Hoiem and Forsyth 2016 (arXiv 1605.06465) by formulas, moments, and its two ways to test."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks.merge import StochasticDepth as StochasticDepthModule
from cardinet.blocks.merge import Swapout as Module
from cardinet.blocks.merge import stochastic_inference
from cardinet.build.builder import build
from cardinet.networks.parts.merge import StochasticDepth, Swapout
from cardinet.networks.registry import find
from networks.residual_formulas import Branch, Formulas, Join, Network, assert_equal
from networks.test_stochastic_depth import NAMES, NETWORKS
from networks.test_unit_orders import TINY


def keeps(rule: str, last: tuple[float, float], unit: int, units: int) -> tuple[float, ...]:
    """1 at unit 1 and `last` at the last unit, on a line; or `last` everywhere."""
    return tuple(1 - (unit - 1) / (units - 1) * (1 - p) if rule == "linear" else p for p in last)


@pytest.mark.parametrize("rule", ["linear", "uniform"])
@pytest.mark.parametrize("last", [(0.5, 0.5), (0.9, 0.3), (1.0, 1.0)])
def test_keep_probabilities(rule: Literal["linear", "uniform"], last: tuple[float, float]) -> None:
    network = build(TINY.but(merge=Swapout(rule=rule, last=last)), device="meta")
    found = [module.keep for module in network.modules() if isinstance(module, Module)]
    for unit, keep in enumerate(found, 1):
        assert keep == pytest.approx(keeps(rule, last, unit, 4), rel=1e-14)


@pytest.mark.parametrize(("id", "units"), [("swapout20_w4", 9), ("swapout32_w4", 15)])
def test_the_named_networks_go_from_1_to_a_half(id: str, units: int) -> None:
    found = [m.keep for m in build(find(id).spec, device="meta").modules() if isinstance(m, Module)]
    assert len(found) == units
    assert (found[0], found[units // 2], found[-1]) == ((1, 1), (0.75, 0.75), (0.5, 0.5))


def drawn(rule: Swapout) -> Join:
    """theta1 shortcut + theta2 F, per element; in testing the probabilities in the place of the draws."""

    def join(own: Formulas, at: str, skip: Tensor | None, branch: Branch) -> Tensor:
        if skip is None:
            return branch()
        total = []
        terms: tuple[Branch, Branch] = (lambda: skip, branch)
        for term, keep in zip(terms, keeps(rule.rule, rule.last, NAMES.index(at) + 1, len(NAMES)), strict=True):
            x = term()
            factor: Tensor | float = keep if rule.rescale == "test" else 1.0
            if own.training and keep < 1:
                theta = torch.empty(x.shape, dtype=x.dtype).bernoulli_(keep)
                factor = theta if rule.rescale == "test" else theta / keep
            elif keep == 1:
                factor = 1.0
            total.append(factor * x)
        return total[0] + total[1]

    return join


RULES = [
    Swapout(),
    Swapout(rule="uniform", last=(0.5, 0.8)),
    Swapout(rescale="train"),
    Swapout(rule="uniform", last=(1.0, 0.5), rescale="train"),
]


def test_number_of_networks() -> None:
    assert len(RULES) * len(NETWORKS) == 32


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_formula(name: str, training: bool) -> None:
    letter, delta = NETWORKS[name]
    for seed, rule in enumerate(RULES, 1):
        assert_equal(Network(TINY.but(merge=rule, **delta), letter, join=drawn(rule)), 6, training, draws=seed)


@pytest.mark.parametrize("rescale", ["test", "train"])
@pytest.mark.parametrize("last", [(0.5, 0.5), (0.9, 0.3), (1.0, 0.5), (0.4, 1.0)])
def test_mean_and_variance_of_every_element(last: tuple[float, float], rescale: str) -> None:
    """p1 x + p2 F and p1 (1 - p1) x^2 + p2 (1 - p2) F^2; with `rescale` train x + F and (1 - p) / p in the variance.

    20000 draws; the bounds are five standard errors, of the variance by the fourth moment of the draws.
    """
    torch.manual_seed(5)
    n, (p1, p2) = 20_000, last
    module = Module(last=last, rule="uniform", rescale=rescale, place=(1, 1)).double()
    x, f = torch.randn(1, 2, 3, 3, dtype=torch.float64), torch.randn(1, 2, 3, 3, dtype=torch.float64)
    many = module.train()(x.expand(n, -1, -1, -1), lambda: f.expand(n, -1, -1, -1))
    s1, s2 = (1, 1) if rescale == "test" else (1 / p1, 1 / p2)
    mean = p1 * s1 * x + p2 * s2 * f
    variance = p1 * (1 - p1) * (s1 * x) ** 2 + p2 * (1 - p2) * (s2 * f) ** 2
    assert ((many.mean(0) - mean).abs() <= 5 * (variance / n).sqrt() + 1e-12).all()
    fourth = ((many - mean) ** 4).mean(0)
    squares = ((many - mean) ** 2).mean(0)
    assert ((squares - variance).abs() <= 5 * ((fourth - squares**2).clamp(min=0) / n).sqrt() + 1e-12).all()
    torch.testing.assert_close(module.eval()(x, lambda: f), mean, rtol=1e-12, atol=1e-14)


def test_both_terms_and_all_elements_are_drawn_on_their_own() -> None:
    """All four outcomes, 0, x, F and x + F, each with its probability; neighbours do not follow each other."""
    torch.manual_seed(6)
    module = Module(last=(0.7, 0.4), rule="uniform", rescale="test", place=(1, 1)).train()
    shape, n = (50, 8, 10, 10), 40_000
    y = module(torch.full(shape, 1.0), lambda: torch.full(shape, 2.0))
    for value, p in ((0, 0.3 * 0.6), (1, 0.7 * 0.6), (2, 0.3 * 0.4), (3, 0.7 * 0.4)):
        assert abs((y == value).sum().item() - n * p) < 5 * math.sqrt(n * p * (1 - p)), value
    for axis in range(4):
        first, second = y.narrow(axis, 0, shape[axis] - 1).flatten(), y.narrow(axis, 1, shape[axis] - 1).flatten()
        assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1].item()) < 5 / math.sqrt(len(first)), axis


MERGES = [Swapout(), Swapout(rescale="train"), StochasticDepth(), StochasticDepth(per="sample", rescale="train")]


@pytest.mark.parametrize("merge", MERGES, ids=str)
def test_stochastic_inference_is_the_mean_of_its_passes(merge: Any) -> None:
    """Softmax of each, BN by its running statistics, which stay; afterwards the network tests as before."""
    network = build(TINY.but(merge=merge)).eval()
    x = torch.randn(3, 2, 6, 6)
    before, tested = {name: tensor.clone() for name, tensor in network.state_dict().items()}, network(x)
    torch.manual_seed(7)
    found = stochastic_inference(network, x, passes=5)
    torch.manual_seed(7)
    for module in network.modules():
        if isinstance(module, Module | StochasticDepthModule):
            module.train()  # the merges alone
    odds = [torch.exp(network(x).double()) for _ in range(5)]
    passes = [each / each.sum(1, keepdim=True) for each in odds]
    network.eval()
    torch.testing.assert_close(found, torch.stack(passes).mean(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(3, dtype=torch.float64))
    assert not torch.equal(passes[0], passes[1])
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert torch.equal(network(x), tested)
    assert torch.equal(network(x), tested)


def test_an_error_within_leaves_the_network_testing() -> None:
    network = build(TINY.but(merge=Swapout(rule="uniform"))).eval()
    with pytest.raises(RuntimeError):
        stochastic_inference(network, torch.randn(3, 7, 6, 6))
    x = torch.randn(3, 2, 6, 6)
    assert torch.equal(network(x), network(x))


class Half(nn.Module):
    """A network of one linear unit: log of (theta1 x + theta2 F), so that its softmax is linear in the draws."""

    def __init__(self) -> None:
        super().__init__()
        self.merge = Module(last=(0.7, 0.6), rule="uniform", rescale="test", place=(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        share = self.merge(0.3 * x, lambda: 0.6 * x)[:, :1]
        return torch.cat([share, 1 - share], 1).log()


def test_in_a_linear_case_it_converges_to_the_expectation() -> None:
    """Within five standard errors of 4000 passes of what testing without draws computes."""
    torch.manual_seed(8)
    network, n = Half().double().eval(), 4000
    x = torch.rand(6, 1, dtype=torch.float64) / 2 + 0.25
    tested = network(x).exp()
    torch.testing.assert_close(tested[:, :1], (0.7 * 0.3 + 0.6 * 0.6) * x, rtol=1e-12, atol=0)
    deviation = (0.7 * 0.3 * (0.3 * x) ** 2 + 0.6 * 0.4 * (0.6 * x) ** 2).sqrt()
    found = stochastic_inference(network, x, passes=n)
    assert ((found - tested).abs() <= 5 * deviation / math.sqrt(n)).all()
