"""What a step does to the parameters of a unit that was closed, and to frozen ones."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.merge import StochasticDepth as Rule
from cardinet.build.builder import build
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.parts.stem import Stem
from cardinet.networks.residual import Residual
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.state import capture, restore
from cardinet.train.trainee import Trainee
from cardinet.train.training_step import forward_backward, make_optimizer, update
from inside import inside

RATES, DECAY = (0.5, 0.25, 0.125), 0.2
IN_UNIT = ("conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "bn2.weight", "bn2.bias")


@pytest.fixture
def network() -> Classifier:
    """A unit that is always open, and one that survives once in a billion steps."""
    torch.manual_seed(0)
    spec = Residual(
        depths=(2,), widths=(8,), stem=Stem(layout="cifar", width=8), num_classes=3, merge=StochasticDepth()
    )
    made = build(spec).double().train()
    inside(made, "layer1.0.merge", Rule).survival, inside(made, "layer1.1.merge", Rule).survival = 1.0, 1e-9
    return made


def steps(network: Classifier, optimizer: torch.optim.Optimizer) -> list[dict[str, Tensor]]:
    """The parameters before the first step and after each; all gradients are asked of an open and a closed unit."""
    pixels = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    states: list[dict[str, Tensor]] = [copy.deepcopy(dict(network.named_parameters()))]
    for rate in RATES:
        forward_backward(network, pixels, torch.arange(4) % 3, CrossEntropy())
        without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
        assert without >= {f"layer1.1.{name}" for name in IN_UNIT}
        update(network, optimizer, rate, None)
        states.append(copy.deepcopy(dict(network.named_parameters())))
    return states


def test_without_momentum_a_closed_unit_only_decays(network: Classifier) -> None:
    """w <- w (1 - lr d)."""
    settings = SGD(momentum=0, nesterov=False, weight_decay=DECAY)
    states = steps(network, make_optimizer(network, settings))
    for before, after, rate in zip(states, states[1:], RATES, strict=False):
        for name in IN_UNIT:
            expected = before[f"layer1.1.{name}"] * (1 - rate * DECAY)
            torch.testing.assert_close(after[f"layer1.1.{name}"], expected, rtol=1e-12, atol=0)
    assert not torch.equal(states[0]["layer1.0.conv1.weight"] * 0.9, states[1]["layer1.0.conv1.weight"])


@pytest.mark.parametrize("nesterov", [True, False])
def test_momentum_goes_on(network: Classifier, nesterov: bool) -> None:
    """v <- m v + d w; w <- w - lr (d w + m v) with Nesterov, w - lr v without; v begins as the open steps left it."""
    settings = SGD(momentum=0.9, nesterov=nesterov, weight_decay=DECAY)
    optimizer = make_optimizer(network, settings)
    inside(network, "layer1.1.merge", Rule).survival = 1.0
    pixels = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    forward_backward(network, pixels, torch.arange(4) % 3, CrossEntropy())
    update(network, optimizer, 0.1, None)
    inside(network, "layer1.1.merge", Rule).survival = 1e-9
    parameters = dict(network.named_parameters())
    own = {n: parameters[n].detach().clone() for n in (f"layer1.1.{name}" for name in IN_UNIT)}
    velocity = {name: optimizer.state[parameters[name]]["momentum_buffer"].clone() for name in own}
    assert all(v.abs().max() > 0 for v in velocity.values())
    states = steps(network, optimizer)
    for rate, state in zip(RATES, states[1:], strict=True):
        for name in own:
            pull = DECAY * own[name]
            velocity[name] = 0.9 * velocity[name] + pull
            own[name] = own[name] - rate * (pull + 0.9 * velocity[name] if nesterov else velocity[name])
            torch.testing.assert_close(state[name].detach(), own[name], rtol=1e-12, atol=1e-15)


def test_a_frozen_parameter_stays(network: Classifier) -> None:
    settings = SGD(momentum=0.9, weight_decay=DECAY)
    optimizer = make_optimizer(network, settings)
    network.get_parameter("layer1.0.conv1.weight").requires_grad_(False)
    network.get_parameter("layer1.1.conv1.weight").requires_grad_(False)
    states = steps(network, optimizer)
    for name in ("layer1.0.conv1.weight", "layer1.1.conv1.weight"):
        assert torch.equal(states[0][name], states[-1][name])
    assert not torch.equal(states[0]["layer1.1.conv2.weight"], states[-1]["layer1.1.conv2.weight"])


def test_every_trained_parameter_has_a_momentum_for_the_checkpoint(network: Classifier) -> None:
    settings = SGD(momentum=0.9)
    optimizer = make_optimizer(network, settings)
    steps(network, optimizer)
    assert all("momentum_buffer" in optimizer.state[parameter] for parameter in network.parameters())


def test_a_resumed_run_draws_and_steps_on() -> None:
    """Three steps, and one step, its checkpoint in new objects, two steps: the same bits."""
    settings = SGD(momentum=0.9, weight_decay=DECAY)
    spec = Residual(depths=(4,), widths=(8,), stem=Stem(layout="cifar", width=8), num_classes=3)
    spec = spec.but(merge=StochasticDepth(rule="uniform"))
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randn(4, 3, 6, 6, generator=generator) for _ in range(3)]

    def begun() -> Trainee:
        torch.manual_seed(0)
        made = build(spec).train()
        return Trainee(made, make_optimizer(made, settings))

    def go_on(subject: Trainee, pixels: list[Tensor]) -> None:
        for x in pixels:
            forward_backward(subject.network, x, torch.arange(4) % 3, CrossEntropy())
            update(subject.network, subject.optimizer, 0.1, None)

    whole = begun()
    go_on(whole, batches)
    expected = capture(whole)
    first = begun()
    go_on(first, batches[:1])
    saved = {name: tensor.clone() for name, tensor in capture(first).items()}
    second = begun()
    restore(second, saved)
    go_on(second, batches[1:])
    found = capture(second)
    assert found.keys() == expected.keys()
    assert sum(name.startswith("optimizer.") for name in found) == len(list(second.network.parameters()))
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    tracked = {int(t) for name, t in expected.items() if name.endswith("num_batches_tracked")}
    assert tracked > {3}
