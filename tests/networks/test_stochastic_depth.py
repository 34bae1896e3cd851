"""Stochastic depth: Huang et al. 2016 (arXiv 1603.09382) by formulas, frequencies, and what a closed unit costs."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks.merge import StochasticDepth as Module
from cardinet.build.builder import build
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from networks.residual_formulas import Branch, Formulas, Join, Network, assert_equal
from networks.test_unit_orders import TINY

Rule = Literal["linear", "uniform"]
RULES = [("linear", 0.5), ("linear", 0.1), ("linear", 1.0), ("uniform", 0.5), ("uniform", 0.8)]
NAMES = ["layer1.0", "layer1.1", "layer2.0", "layer2.1"]


def survival(rule: str, last: float, unit: int, units: int) -> float:
    return 1 - unit / units * (1 - last) if rule == "linear" else last


def merges(network: nn.Module) -> list[Module]:
    return [module for module in network.modules() if isinstance(module, Module)]


@pytest.mark.parametrize(("rule", "last"), RULES)
def test_survival(rule: Rule, last: float) -> None:
    found = [m.survival for m in merges(build(TINY.but(merge=StochasticDepth(rule=rule, last=last)), device="meta"))]
    assert found == pytest.approx([survival(rule, last, unit, 4) for unit in (1, 2, 3, 4)], rel=1e-14)


def test_expected_depth() -> None:
    """(3 L - 1) / 4 of the L = 54 units of ResNet-110 are open: 40.25, the paper's "about 40"."""
    found = [m.survival for m in merges(build(find("sd110_cifar").spec, device="meta"))]
    assert len(found) == 54
    assert sum(found) == pytest.approx((3 * 54 - 1) / 4, rel=1e-14) == 40.25
    assert found[-1] == 0.5


def draws_of(module: Module, draws: int) -> Tensor:
    """Whether the unit was open, draw after draw (or sample after sample)."""
    skip, branch = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    if module.per == "sample":
        found: Tensor = module(torch.zeros(draws, 1, 1, 1), lambda: torch.ones(draws, 1, 1, 1)).flatten()
        return found > 0
    return torch.cat([module(skip, lambda: branch) for _ in range(draws)]).flatten() > 0


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("last", [0.1, 0.5, 0.97])
def test_frequencies(per: str, last: float) -> None:
    """4000 draws within five standard deviations, and as often open after an open draw as after a closed one."""
    torch.manual_seed(1)
    n = 4000
    module = Module(last=last, rule="uniform", per=per, rescale="test", place=(1, 1)).train()
    opened = draws_of(module, n)
    deviation = math.sqrt(last * (1 - last))
    assert abs(opened.sum().item() - n * last) < 5 * deviation * math.sqrt(n)
    pairs = (opened[1:] & opened[:-1]).float().mean().item()
    assert abs(pairs - last**2) < 5 * deviation * math.sqrt(2 / n)
    assert draws_of(module.eval(), 100).all()


def test_open_units_of_a_network() -> None:
    """The mean number of open units of ResNet-110 over 600 draws."""
    torch.manual_seed(2)
    modules = merges(build(find("sd110_cifar").spec, device="meta"))
    skip, branch = torch.zeros(1), torch.ones(1)
    counts = [sum(int(module.train()(skip, lambda: branch)) for module in modules) for _ in range(600)]
    variance = sum(m.survival * (1 - m.survival) for m in modules)
    assert abs(sum(counts) / 600 - 40.25) < 5 * math.sqrt(variance / 600)


def test_a_sample_is_open_or_closed_as_a_whole() -> None:
    torch.manual_seed(3)
    module = Module(last=0.5, rule="uniform", per="sample", rescale="train", place=(1, 1)).train()
    y = module(torch.zeros(64, 3, 4, 5), lambda: torch.ones(64, 3, 4, 5)).flatten(1)
    assert (y == y[:, :1]).all()
    assert y[:, 0].unique().tolist() == [0, 2]


@pytest.mark.parametrize("rescale", ["test", "train"])
@pytest.mark.parametrize("per", ["batch", "sample"])
def test_the_mean_of_training_is_what_testing_computes(per: str, rescale: str) -> None:
    """shortcut + p F with `rescale` test, shortcut + F with train: within five standard errors of 4000 draws."""
    torch.manual_seed(4)
    n, p = 4000, 0.7
    module = Module(last=p, rule="uniform", per=per, rescale=rescale, place=(1, 1)).double()
    skip, branch = torch.randn(1, 2, 3, 3, dtype=torch.float64), torch.randn(1, 2, 3, 3, dtype=torch.float64)
    tested = module.eval()(skip, lambda: branch)
    torch.testing.assert_close(tested, skip + branch * (p if rescale == "test" else 1), rtol=1e-14, atol=0)
    module.train()
    if per == "sample":
        mean = module(skip.expand(n, -1, -1, -1), lambda: branch.expand(n, -1, -1, -1)).mean(0, keepdim=True)
    else:
        mean = torch.stack([module(skip, lambda: branch) for _ in range(n)]).mean(0)
    scale = 1 if rescale == "test" else 1 / p
    error = 5 * math.sqrt(p * (1 - p) / n) * scale * branch.abs()
    assert ((mean - tested).abs() <= error).all()


def drawn(rule: StochasticDepth, opened: list[bool]) -> Join:
    """shortcut + b F, b drawn once or per sample, with the factors of the rule; `opened` gets the draws."""

    def join(own: Formulas, at: str, skip: Tensor | None, branch: Branch) -> Tensor:
        if skip is None:
            return branch()
        p = survival(rule.rule, rule.last, NAMES.index(at) + 1, len(NAMES))
        if not own.training:
            return skip + branch() * (p if rule.rescale == "test" else 1)
        scale = 1 / p if rule.rescale == "train" else 1
        if rule.per == "sample":
            b = torch.empty(len(skip), 1, 1, 1, dtype=skip.dtype).bernoulli_(p)
            opened.extend(b.flatten().bool().tolist())
            return skip + scale * b * branch()
        opened.append(torch.rand(()).item() < p)
        return skip + scale * branch() if opened[-1] else skip

    return join


HOW: tuple[tuple[Rule, ...], tuple[Literal["batch", "sample"], ...], tuple[Literal["test", "train"], ...]] = (
    ("linear", "uniform"),
    ("batch", "sample"),
    ("test", "train"),
)
RULED = [
    StochasticDepth(last=0.3, rule=rule, per=per, rescale=rescale) for rule, per, rescale in itertools.product(*HOW)
]
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    **{letter: (letter, {"order": ORDERS[letter]}) for letter in "abcde"},
    "e, B": ("e", {"order": ORDERS["e"], "kind": "B", "project": "conv"}),
    "a, means": ("a", {"sample": "avg"}),
    "a, identity": ("a", {"kind": "identity"}),
}


def test_number_of_networks() -> None:
    assert len(RULED) * len(NETWORKS) == 64


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_formula(name: str, training: bool) -> None:
    """With the same draws, also in what has no gradient; over the rules units were open and closed."""
    letter, delta = NETWORKS[name]
    opened: list[bool] = []
    for seed, rule in enumerate(RULED, 1):
        formulas = Network(TINY.but(merge=rule, **delta), letter, join=drawn(rule, opened))
        assert_equal(formulas, 6, training, draws=seed)
    assert not training or (True in opened and False in opened)


def with_only(network: nn.Module, closed: set[str]) -> nn.Module:
    """Survival 0 for the units of these names and 1 for the others."""
    for name, module in network.named_modules():
        if isinstance(module, Module):
            module.survival = 0.0 if name.removesuffix(".merge") in closed else 1.0
    return network


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("letter", "abcde")
@pytest.mark.parametrize("closed", [{"layer1.1"}, {"layer2.0", "layer2.1"}, set(NAMES)], ids=len)
def test_a_closed_unit_is_not_computed(letter: str, closed: set[str], copies: int) -> None:
    """No module of it runs, no statistics move, no gradient comes; but `pre` where it feeds the shortcut too."""
    spec = TINY.but(order=ORDERS[letter], copies=copies, merge=StochasticDepth())
    network = with_only(build(spec).train(), closed)
    feeding = {f"{name}.bn1" for name in closed if letter == "e" and name in ("layer1.0", "layer2.0")}
    after = {f"{name}.bn1" for name in closed if letter == "b" and copies > 1}
    after |= {f"{name}.bn2" for name in closed if letter == "b" and copies == 1}
    ran: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.randn(2, 2, 6, 6)).sum().backward()

    def inside(name: str) -> bool:
        return any(name.startswith(f"{unit}.") for unit in closed)

    layers = {n for n, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)}
    assert sorted(ran) == sorted({name for name in layers if not inside(name)} | feeding | after)
    moved = {name.rpartition(".")[0] for name, t in network.state_dict().items() if not torch.equal(t, before[name])}
    assert moved == {name for name in ran if f"{name}.running_mean" in before}
    trained = {name.rpartition(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert trained == {*ran, "fc"}


def test_the_draws_follow_the_seed() -> None:
    spec: Residual = TINY.but(depths=(4, 4), merge=StochasticDepth(rule="uniform"))
    network, x = build(spec).train(), torch.randn(2, 2, 6, 6)
    found = []
    for seed in (0, 1, 2, 0, 1, 2):
        torch.manual_seed(seed)
        found.append(network(x))
    for first, again in zip(found[:3], found[3:], strict=True):
        assert torch.equal(first, again)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(found[:3], 2))


def test_tested_twice_is_the_same() -> None:
    network, x = build(TINY.but(merge=StochasticDepth())).eval(), torch.randn(2, 2, 6, 6)
    assert torch.equal(network(x), network(x))


def test_an_open_network_is_the_constant_one() -> None:
    """With last = 1 training computes what the network without the rule computes."""
    torch.manual_seed(0)
    constant = build(TINY).train()
    torch.manual_seed(0)
    ruled = build(TINY.but(merge=StochasticDepth(last=1))).train()
    x = torch.randn(2, 2, 6, 6)
    assert torch.equal(constant(x), ruled(x))
    assert torch.equal(constant.eval()(x), ruled.eval()(x))
