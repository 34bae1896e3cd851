"""FractalNet: counts, the fractal formula written out in float64, drop-path as a distribution and as work not done."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from cardinet.base.errors import RequestError
from cardinet.blocks.fractalnet import FractalNet as Network
from cardinet.blocks.fractalnet import Paths
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.families.fractalnet import FAMILY, FractalNet

COUNTS = {"fractalnet20": (33714314, 0.845), "fractalnet20_droppath": (33714314, 0.845)}
SMALL = FractalNet(columns=3, widths=(4, 6), dropout=(0, 0), num_classes=5, in_channels=2)

Rule = Callable[[Sequence[int]], Tensor]
"""From the columns of a join to (draws, columns): which of them live."""


def everything(columns: Sequence[int]) -> Tensor:
    return torch.ones(1, len(columns), dtype=torch.bool)


def made(spec: FractalNet, training: bool = False) -> Network:
    """The network in float64, with random running statistics."""
    torch.manual_seed(0)
    network = build(spec).double().train(training)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(buffer)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 2)
    assert isinstance(network, Network)
    return network


def test_counts() -> None:
    assert set(COUNTS) == set(FAMILY.rows)
    for id, row in FAMILY.rows.items():
        counts = count_spec(row.spec, 32)
        assert (counts.params, round(counts.macs / 1e9, 3)) == COUNTS[id]


@pytest.mark.parametrize("columns", range(1, 7))
def test_the_count_of_the_formula(columns: int) -> None:
    """2^C - 1 convolutions with bias a block, the first of each of its columns with the block's input."""
    widths = (16, 32, 64, 128, 128)
    expected, w_in = 128 * 10 + 10, 3
    for w_out in widths:
        later = 2**columns - 1 - columns
        expected += columns * (9 * w_in + 1) * w_out + later * (9 * w_out + 1) * w_out
        w_in = w_out
    counts = count_spec(FractalNet(columns=columns, widths=widths), 32)
    assert counts.params == expected
    if columns == 3:
        assert f"{counts.params / 1e6:.1f}M" == "2.1M"  # the paper's table


def block(x: Tensor, state: Mapping[str, Tensor], columns: int, rule: Rule, training: bool) -> Tensor:
    """f_1 = unit, f_(C+1)(x) = join( f_C(f_C(x)), unit(x) ), as the paper's recursion."""
    made_of: Counter[int] = Counter()

    def unit(x: Tensor, c: int) -> Tensor:
        at = f"columns.{c}.{made_of[c]}"
        made_of[c] += 1
        weight, bias = state[f"{at}.conv.weight"], state[f"{at}.conv.bias"]
        windows = F.unfold(x, 3, padding=1).reshape(len(x), x.shape[1], 9, -1)
        y = torch.einsum("nckp,ock->nop", windows, weight.flatten(2)).reshape(len(x), -1, *x.shape[2:])
        y = y + bias[:, None, None]
        mean, variance = state[f"{at}.bn.running_mean"], state[f"{at}.bn.running_var"]
        if training:
            mean = y.mean((0, 2, 3))
            variance = ((y - mean[:, None, None]) ** 2).mean((0, 2, 3))
        y = (y - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        return torch.where(y > 0, y, 0)

    def join(inputs: dict[int, Tensor]) -> Tensor:
        live = rule(sorted(inputs)).double()
        total = torch.zeros_like(next(iter(inputs.values())))
        for j, c in enumerate(sorted(inputs)):
            total = total + inputs[c] * live[:, j, None, None, None]
        return total / live.sum(1)[:, None, None, None]

    def inputs_of_f(order: int, x: Tensor) -> dict[int, Tensor]:
        """What meets in the last join of f_order, by column; a join that ends in a join is one with it."""
        if order == 1:
            return {columns - 1: unit(x, columns - 1)}
        deep = inputs_of_f(order - 1, join(inputs_of_f(order - 1, x)))
        return {**deep, columns - order: unit(x, columns - order)}

    return join({c: F.max_pool2d(y, 2) for c, y in inputs_of_f(columns, x).items()})


def classify(x: Tensor, network: nn.Module, columns: int, rule: Rule, training: bool) -> Tensor:
    state = network.state_dict(keep_vars=True)
    for i in (1, 2):
        own = {name.removeprefix(f"layer{i}."): t for name, t in state.items() if name.startswith(f"layer{i}.")}
        x = block(x, own, columns, rule, training)
    logits: Tensor = x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    return logits


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_the_network_is_the_formula(columns: int, training: bool) -> None:
    network = made(SMALL.but(columns=columns), training)
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    expected = classify(x, network, columns, everything, training)
    assert (network(x) - expected).abs().max() <= 1e-10 * expected.abs().max()


RULES: dict[str, dict[tuple[int, ...], list[list[int]]]] = {
    "the last join loses its middle column": {(0, 1, 2): [[1, 0, 1]], (1, 2): [[1, 1]], (2,): [[1]]},
    "joins of one input": {(0, 1, 2): [[0, 1, 0]], (1, 2): [[0, 1]], (2,): [[1]]},
    "each sample its own": {
        (0, 1, 2): [[1, 1, 0], [0, 0, 1], [1, 1, 1]],
        (1, 2): [[0, 1], [1, 1], [1, 0]],
        (2,): [[1], [1], [1]],
    },
}


@pytest.mark.parametrize("name", RULES)
def test_joins_of_live_inputs_are_the_formula(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(columns: Sequence[int]) -> Tensor:
        return torch.tensor(RULES[name][tuple(columns)], dtype=torch.bool)

    network = made(SMALL.but(drop_path=0.5), training=True)
    monkeypatch.setattr(network.paths, "live", rule)
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    expected = classify(x, network, 3, rule, training=True)
    found = network(x)
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()
    parameters = list(network.parameters())
    weight = torch.randn_like(found)
    theirs = torch.autograd.grad((expected * weight).sum(), parameters)
    ours = torch.autograd.grad((found * weight).sum(), parameters, allow_unused=True)
    for mine, other in zip(ours, theirs, strict=True):
        assert ((0 if mine is None else mine) - other).abs().max() <= 1e-10


@pytest.mark.parametrize("c", range(3))
def test_a_column_alone(c: int) -> None:
    """The column shares the parameters, is the chain of its units, and can be built from its own description."""
    network = made(SMALL)
    alone = network.column(c)
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    h = x
    for i in (1, 2):
        chain = network.get_submodule(f"layer{i}.columns.{c}")
        assert isinstance(chain, nn.ModuleList)
        assert len(chain) == 2**c
        for unit in chain:
            h = unit(h)
        h = F.max_pool2d(h, 2)
    assert torch.equal(alone(x), network.fc(h.mean((2, 3))))
    assert not torch.allclose(alone(x), network(x))

    whole = dict(network.named_parameters())
    assert all(p is whole[name] for name, p in alone.named_parameters())
    assert alone.spec == SMALL.but(column=c)
    own = build(alone.spec).double().eval()
    own.load_state_dict(alone.state_dict())
    assert torch.equal(own(x), alone(x))
    torch.testing.assert_close(alone.features(x)["layer2"], h)
    alone.train()(x).sum().backward()  # training it trains that column of the network, and none of the others
    trained = {name for name, p in whole.items() if p.grad is not None}
    assert trained == {name for name in whole if name.startswith("fc.") or f".columns.{c}." in name}


def test_refusals() -> None:
    with pytest.raises(RequestError) as error:
        SMALL.but(column=3, widths=(4, 6, 8))
    assert "dropout (0.0, 0.0) and widths (4, 6, 8) differ in length" in str(error.value)
    assert "column = 3: the network has columns 0 to 2" in str(error.value)
    with pytest.raises(RequestError, match="column 3: the network has columns 0, 1, 2"):
        made(SMALL).column(3)
    with pytest.raises(RequestError, match="column 0: the network has columns 2"):
        made(SMALL.but(column=2)).column(0)


def patterns(inputs: int, rate: float) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every set of live inputs of a join and its probability under local drop-path."""
    for mask in range(1, 2**inputs):
        live = tuple(mask >> j & 1 for j in range(inputs))
        chance = math.prod(1 - rate if kept else rate for kept in live)
        yield live, chance + (rate**inputs / inputs if sum(live) == 1 else 0)


def assert_frequencies(found: Counter[tuple[int, ...]], expected: Mapping[tuple[int, ...], float], draws: int) -> None:
    assert set(found) <= set(expected)
    assert sum(expected.values()) == pytest.approx(1)
    for pattern, chance in expected.items():
        assert abs(found[pattern] - draws * chance) <= 4.5 * math.sqrt(draws * chance * (1 - chance)) + 1e-9, pattern


@pytest.mark.parametrize(("share", "rate"), [(0.0, 0.15), (0.0, 0.6), (0.5, 0.15), (1.0, 0.15), (0.4, 0.0)])
@pytest.mark.parametrize("columns", [(0, 1, 2), (1, 2), (2,)])
def test_the_distribution_of_live_inputs(columns: tuple[int, ...], share: float, rate: float) -> None:
    draws = 20_000
    torch.manual_seed(1)
    paths = Paths(3, rate, share, "sample").train()
    paths(torch.zeros(draws, 1, 1, 1))
    live = paths.live(columns)
    assert live.any(1).all()
    found = Counter(tuple(int(v) for v in row) for row in live.tolist())
    local = 1 - share * len(columns) / 3  # a chosen column that does not enter the join leaves it as it is
    expected = {pattern: local * chance for pattern, chance in patterns(len(columns), rate)}
    for j in range(len(columns)):
        expected[tuple(int(i == j) for i in range(len(columns)))] += share / 3
    assert_frequencies(found, expected, draws)


def called_units(network: Network) -> list[str]:
    """The units whose BN has seen a batch."""
    suffix = ".bn.num_batches_tracked"
    return [name.removesuffix(suffix) for name, b in network.named_buffers() if name.endswith(suffix) and b == 1]


def test_a_global_draw_computes_one_column_and_no_other() -> None:
    seen: Counter[tuple[int, ...]] = Counter()
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    draws = 60
    for i in range(draws):
        network = made(SMALL.but(global_share=1), training=True)
        before = {name: b.clone() for name, b in network.named_buffers()}
        torch.manual_seed(i)
        network(x).sum().backward()
        called = called_units(network)
        (c,) = {name.split(".")[2] for name in called}
        assert called == [f"layer{layer}.columns.{c}.{k}" for layer in (1, 2) for k in range(2 ** int(c))]
        trained = {name.rpartition(".conv.")[0] for name, p in network.named_parameters() if p.grad is not None}
        assert trained == {"", *called}  # the classifier, and what was called
        still = [name for name in before if name.rpartition(".bn.")[0] not in called]
        assert len(still) == 3 * (14 - len(called))
        assert all(torch.equal(before[name], network.get_buffer(name)) for name in still)
        seen[(int(c),)] += 1
    assert_frequencies(seen, {(c,): 1 / 3 for c in range(3)}, draws)


def test_local_drops_compute_what_the_live_joins_need() -> None:
    """The columns that reach the end follow the rule, and no other unit is called than those on a live way there."""
    draws, rate = 200, 0.4
    last: Counter[tuple[int, ...]] = Counter()
    x = torch.randn(2, 2, 2, 2, dtype=torch.float64)
    network = made(SMALL.but(drop_path=rate, widths=(2,), dropout=(0,)), training=True)
    for i in range(draws):
        torch.manual_seed(i)
        for name, buffer in network.named_buffers():
            if name.endswith("tracked"):
                buffer.zero_()
        network(x)
        called = {name.removeprefix("layer1.columns.") for name in called_units(network)}
        last[tuple(int(end in called) for end in ("0.0", "1.1", "2.3"))] += 1
        middle = {"1.0", "2.1"} & called  # joined at level 2, which column 1's and column 2's second halves need
        assert bool(middle) == bool({"1.1", "2.2"} & called)
        assert ("2.2" in called) == ("2.3" in called)
        assert ("2.0" in called) == ("2.1" in called)
    assert_frequencies(last, dict(patterns(3, rate)), draws)


@pytest.mark.long
def test_without_drop_path_training_is_deterministic_and_compiles() -> None:
    network = made(SMALL, training=True)
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    state = torch.get_rng_state()
    expected = network(x)
    assert torch.equal(torch.get_rng_state(), state)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(torch.compile(network.eval(), fullgraph=True, backend="aot_eager")(x), network(x))


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_drop_path_under_function_transforms_and_never_in_evaluation(per: str) -> None:
    network = made(SMALL.but(drop_path=0.3, global_share=0.5, per=per), training=True)
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    state = {name: p.detach() for name, p in network.named_parameters()}
    for seed in range(5):
        buffers = {name: b.clone() for name, b in network.named_buffers()}
        torch.manual_seed(seed)
        found = torch.func.grad(lambda p, b: functional_call(network, {**p, **b}, x).square().sum())(state, buffers)
        torch.manual_seed(seed)
        network.zero_grad()
        network(x).square().sum().backward()
        for name, p in network.named_parameters():
            torch.testing.assert_close(found[name], torch.zeros_like(p) if p.grad is None else p.grad)
    network.eval()
    expected = classify(x, network, 3, everything, training=False)
    assert (network(x) - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_initial_weights_of_the_paper() -> None:
    network = build(FractalNet(), init="paper")
    bound = math.sqrt(3 / (9 * 512))
    weight = network.get_parameter("layer5.columns.2.0.conv.weight")
    assert 0.999 * bound < weight.abs().max() <= bound
    assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert not network.get_parameter("layer5.columns.2.0.conv.bias").any()
    assert not network.get_parameter("fc.bias").any()
