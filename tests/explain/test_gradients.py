"""Gradients by layer and shattering, against explicit sums, float64 and finite differences, and the whole question."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.errors import RequestError, WorkError
from cardinet.explain.answer import Answer
from cardinet.explain.job import explain_model
from cardinet.explain.layer_gradients import gradient_by_layer
from cardinet.explain.request import Request, resolve
from cardinet.explain.shattering import (
    autocorrelation,
    half_length,
    input_gradients,
    line,
    noise,
    scalar_gradients,
    scalar_network,
)
from cardinet.explain.training_states import training_states
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import load_model
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.request import Request as Training
from cardinet.train.request import resolve as resolved
from explain.models import TINY, classifier, drawn, unchanged
from networks.small_networks import SMALL

QUICK = {"pictures": 6, "lines": 2, "points": 32, "lags": 3, "depths": 2}

# Shattering


def test_autocorrelation_is_the_sum_over_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(20, 2, 3, generator=generator).cumsum(0)
    found = autocorrelation(gradients, 4)
    rows = gradients.double().flatten(1).tolist()
    means = [sum(column) / 20 for column in zip(*rows, strict=True)]
    centred = [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]

    def total(lag: int) -> float:
        return math.fsum(a * b for x, y in zip(centred, centred[lag:], strict=False) for a, b in zip(x, y, strict=True))

    assert found.tolist() == pytest.approx([total(lag) / total(0) for lag in range(5)])
    assert found[0] == 1
    assert autocorrelation(torch.ones(9, 4), 3).tolist() == [1, 1, 1, 1]


def test_noises_are_the_two_ends() -> None:
    white, brown = noise("white", 256, 15), noise("brown", 256, 15)
    assert white[0] == brown[0] == 1
    assert float(white[1:].abs().max()) < 0.02
    assert torch.all(brown[:-1] > brown[1:])
    assert 0.95 < float(brown[1]) < 0.99
    assert torch.equal(brown, noise("brown", 256, 15))
    assert not torch.equal(brown, noise("brown", 256, 15, seed=1))


def test_half_length_is_where_one_half_is_passed() -> None:
    assert half_length(torch.tensor([1.0, 0.75, 0.25])) == pytest.approx(1.5)
    assert half_length(torch.tensor([1.0, 0.0])) == pytest.approx(0.5)
    assert math.isinf(half_length(torch.tensor([1.0, 0.9, 0.8])))


def test_a_line_goes_from_one_input_to_the_other_in_equal_steps() -> None:
    first, last = torch.zeros(1, 2, 2), torch.full((1, 2, 2), 3.0)
    points = line(first, last, 4)
    assert points.shape == (4, 1, 2, 2)
    assert points[:, 0, 0, 0].tolist() == pytest.approx([0, 1, 2, 3])


def test_input_gradients_are_those_of_differences_and_of_any_batch_size() -> None:
    network = drawn(TINY).double()
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with unchanged(network):
        found = input_gradients(network, x, 3, batch_size=2)
    torch.testing.assert_close(found, input_gradients(network, x, 3, batch_size=5))
    step = torch.zeros_like(x)
    step[:, 0, 2, 5] = 1e-6
    with torch.no_grad():
        differences = (network(x + step)[:, 3] - network(x - step)[:, 3]) / 2e-6
    torch.testing.assert_close(found[:, 0, 2, 5], differences, rtol=1e-4, atol=1e-7)


def test_scalar_networks_shatter_without_shortcuts_and_hardly_with_them() -> None:
    """As in the paper's Figure 1: 24 plain layers are like white noise, 50 residual ones are not."""
    before = torch.get_rng_state()

    def neighbours(depth: int, kind: str) -> float:
        networks = [scalar_network(depth, kind, seed=seed) for seed in range(3)]  # type: ignore[arg-type]
        return float(torch.stack([autocorrelation(scalar_gradients(made), 1)[1] for made in networks]).mean())

    plain = [neighbours(depth, "plain") for depth in (1, 4, 10, 24)]
    assert plain == sorted(plain, reverse=True)
    assert plain[0] > 0.95
    assert abs(plain[-1]) < 0.15
    assert neighbours(50, "residual") > 0.7
    assert torch.equal(torch.get_rng_state(), before)


# Gradients by layer


def test_gradients_by_layer_are_those_of_the_mean_loss() -> None:
    network = drawn(TINY).double()
    network.get_parameter("conv1.weight").requires_grad_(False)
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels = torch.arange(5)
    with unchanged(network):
        found = gradient_by_layer(network, zip(x.split(2), labels.split(2), strict=True))
    copied = copy.deepcopy(network).requires_grad_(True)
    F.cross_entropy(copied(x), labels).backward()
    layers = [name for name, module in copied.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert [one.name for one in found] == layers
    assert len(layers) == 10
    for one in found:
        weight = copied.get_parameter(f"{one.name}.weight")
        assert weight.grad is not None
        assert one.gradient == pytest.approx(float(weight.grad.detach().norm()))
        assert one.weight == pytest.approx(float(weight.detach().norm()))
        assert one.relative == pytest.approx(one.gradient / one.weight)


def test_gradients_without_a_finite_value_are_refused() -> None:
    network = drawn(TINY)
    nn.init.constant_(network.get_parameter("fc.weight"), torch.inf)
    with pytest.raises(WorkError, match="not a finite number"):
        gradient_by_layer(network, [(torch.zeros(2, 1, 8, 8), torch.zeros(2).long())])


# The states of a training


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of three steps that hardly move the weights, so that its first weights are known."""
    settings = {"network.id": "resnet20_cifar", "length": "3 steps", "batch_size": 8, "threads": 1, "workers": 0}
    settings |= {"lr": 1e-9, "weight_decay": 0, "seed": 7, "data.limit": 60}
    folder = tmp_path_factory.mktemp("states") / "run"
    return start(resolved(Training(settings=tuple(settings.items()), out=folder), Listener()), Listener())


def pixels_of(count: int = 4) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_first_weights_of_a_run_are_drawn_again(run: RunFolder) -> None:
    subject = resolve(Request(question="gradients", model=str(run.path))).subject
    states, said = training_states(subject, pixels_of())
    assert [state.name for state in states] == ["new weights", "best, step 3"]
    first, model = (dict(state.network.named_parameters()) for state in states)
    for name, weight in first.items():
        torch.testing.assert_close(weight, model[name], rtol=1e-5, atol=1e-6)
    assert said[0].startswith("The new weights are drawn from the seed of the run, which is 7.")
    assert "The model of the run is its last state too." in said


def test_the_last_step_of_a_run_is_a_state_of_its_own(run: RunFolder) -> None:
    subject = resolve(Request(question="gradients", model=str(run.path))).subject
    earlier = replace(subject.model, training={**subject.model.training, "step": 2})
    subject = replace(subject, opened=replace(subject.opened, model=earlier))
    states, _ = training_states(subject, pixels_of())
    assert [state.name for state in states] == ["new weights", "best, step 2", "last, step 3"]
    own, last = (state.network.state_dict() for state in states[1:])
    assert all(torch.equal(own[name], last[name]) for name in own)
    assert states[2].network is not states[1].network


def test_models_without_a_run_say_what_is_not_there(run: RunFolder) -> None:
    subject = resolve(Request(question="gradients", model=load_model(run.model), data="digits", seed=3)).subject
    states, said = training_states(subject, pixels_of())
    assert [state.name for state in states] == ["new weights", "the model"]
    assert "Only a run folder has other states of its training than its model." in said
    assert said[0].startswith("The new weights are drawn from the seed of this answer, which is 3.")


# The question


def asked(model: object, **settings: object) -> Answer:
    return explain_model("gradients", model, "digits", **{**QUICK, **settings})  # type: ignore[arg-type]


def test_the_answer_compares_depths_with_and_without_shortcuts() -> None:
    model = classifier(TINY.but(depths=(2, 2, 2)))
    with unchanged(model.network):
        found = asked(model)
        again = asked(model)
    assert found.document == again.document
    assert asked(model, seed=1).document != found.document
    document = found.document
    assert [(one["series"], one["layers"]) for one in document["depths"]] == [
        ("with shortcuts", 8),
        ("with shortcuts", 14),
        ("without shortcuts", 8),
        ("without shortcuts", 14),
    ]
    assert list(document["layers"]) == ["new weights", "the model"]
    assert {len(rows) for rows in document["layers"].values()} == {14}
    assert list(document["autocorrelation"]) == ["new weights", "the model", "brown noise", "white noise"]
    assert all(len(values) == 4 and values[0] == pytest.approx(1) for values in document["autocorrelation"].values())
    json.dumps(document)


KINDS = {type(spec).__name__: name for name, spec in reversed(list(SMALL.items()))}


LARGE = ("AlexNet", "VGG")  # their linear layers of 4,096 units take seconds


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.long] * (k in LARGE)) for k in sorted(KINDS)])
def test_every_kind_of_network_is_answered(kind: str) -> None:
    spec = SMALL[KINDS[kind]].but(in_channels=1, num_classes=10)
    side = {"AlexNet": 67, "GoogLeNet": 64, "Inception": 32, "Highway": 16}.get(kind, 4 * spec.stride)
    found = asked(classifier(spec, side=side), pictures=2, lines=1)
    plain = spec.without_shortcuts()
    series = {one["series"] for one in found.document["depths"]}
    if not hasattr(spec, "depths"):
        assert any("no number of units by stage" in limit for limit in found.limits)
        assert series == set()
    else:
        assert series == ({"with shortcuts", "without shortcuts"} if plain is not None else {"as described"})


def test_number_of_kinds() -> None:
    assert len(KINDS) == 11


def test_wrong_requests_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Name the pictures to look at"):
        resolve(Request(question="gradients", model=classifier()))
    with pytest.raises(RequestError, match="seed = 9223372036854775808: give a whole number from 0 to"):
        resolve(Request(question="gradients", model="resnet20_cifar", data="digits", seed=2**63))
    assert asked(classifier(), seed=2**63 - 1).sections
    with pytest.raises(RequestError, match="there is only one"):
        explain_model("gradients", classifier(), "digits", limit=1)
    with pytest.raises(RequestError) as error:
        resolve(
            Request(question="gradients", model=classifier(), data="digits", words=["points=3", "lags=99", "lnes=2"])
        )
    found = error.value.findings
    assert len(found) == 3
    assert 'no setting "lnes" (nearest: lines' in found[0]
