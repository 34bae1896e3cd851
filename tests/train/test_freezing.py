"""Frozen layers: nothing of them moves, whatever the network, and they join later as if they were new."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.training_mode import eval_mode
from cardinet.build.builder import build
from cardinet.data.batches import Batch
from cardinet.networks.families.alexnet import AlexNet
from cardinet.networks.registry import matching
from cardinet.networks.spec import NetworkSpec
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.model_file import load_model
from cardinet.train.initial_weights import initial_network
from cardinet.train.job import prepare_machine
from cardinet.train.listener import Listener
from cardinet.train.methods import Hooks
from cardinet.train.methods.freeze import Freeze, Freezing, modules_called
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.optimizers import Optimizer
from cardinet.train.optimizers.adamw import AdamW
from cardinet.train.optimizers.lamb import LAMB
from cardinet.train.optimizers.rmsprop import RMSProp
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.plain_options import as_settings
from cardinet.train.request import Request, Resolved, resolve
from cardinet.train.training_step import forward_backward, make_optimizer, update
from networks.small_networks import SMALL
from train.runs_to_compare import DIGITS, differences, train
from train.test_exact_resume import stop_and_resume

TINY = DIGITS | {"network.id": "resnet20_cifar", "depths": [1, 1, 1], "widths": [4, 8, 16], "stem.width": 4}
TINY |= {"threads": 1}


def batch_for(spec: NetworkSpec, seed: int = 0) -> Batch:
    count, side = (2, 227) if isinstance(spec, AlexNet) else (4, 32)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(count, spec.in_channels, side, side, generator=generator)
    return Batch(pixels, torch.arange(len(pixels)) % spec.num_classes, np.arange(len(pixels)))


def step(network: Classifier, optimizer: torch.optim.Optimizer, hooks: Hooks, batch: Batch, number: int) -> None:
    """One step as the loop does it."""
    batch = hooks.see(batch, number)
    forward_backward(network, batch.pixels, batch.labels, CrossEntropy())
    update(network, optimizer, 0.05, None)


def tensors_of(network: Classifier, children: tuple[str, ...]) -> dict[str, Tensor]:
    return {n: t.clone() for n, t in network.state_dict().items() if n.partition(".")[0] in children}


@pytest.mark.parametrize("name", SMALL)
def test_frozen_layers_of_every_family_stay_bit_for_bit(name: str) -> None:
    """The first two layers, with statistics and counters; every other parameter and statistic moves."""
    torch.manual_seed(0)
    network = build(SMALL[name]).train()
    for parameter in network.parameters():  # a gain that starts at zero would stop gradients in two steps
        if parameter.ndim == 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    layers = network.layers()
    frozen = [layer for layer in list(layers)[:2] if layer != "head"]
    children = tuple(child for layer in frozen for child in layers[layer])
    before, others = tensors_of(network, children), tensors_of(network, tuple(layers["head"]))
    rest = {n: t.clone() for n, t in network.state_dict().items() if n not in before}
    optimizer = make_optimizer(network, SGD(weight_decay=0.1))
    hooks = Freezing(modules_called(network, frozen), optimizer, None)
    batch = batch_for(SMALL[name])
    for number in range(2):
        step(network, optimizer, hooks, batch, number)
    assert before
    assert others
    after = network.state_dict()
    assert [n for n, tensor in before.items() if not torch.equal(after[n], tensor)] == []
    assert [n for n, tensor in rest.items() if torch.equal(after[n], tensor)] == []


def test_every_family_is_tried() -> None:
    assert len(SMALL) == 42
    assert {type(spec) for spec in SMALL.values()} == {type(row.spec) for row in matching()}


def network() -> Classifier:
    torch.manual_seed(0)
    return build(SMALL["residual"]).double().train()


def double(batch: Batch) -> Batch:
    return Batch(batch.pixels.double(), batch.labels, batch.index)


@pytest.mark.parametrize(
    "settings",
    [SGD(), SGD(nesterov=False), AdamW(), LAMB(), RMSProp(), RMSProp(variant="torch"), SGD(layer_decay=0.5)],
    ids=repr,
)
def test_layers_that_join_later_start_like_new_ones(settings: Optimizer) -> None:
    """Head first, then all: after the switch each layer moves as under an optimizer that begins there."""
    batch = double(batch_for(SMALL["residual"]))
    made = network()
    optimizer = make_optimizer(made, settings)
    modules = modules_called(made, ["body"])
    hooks = Freezing(modules, optimizer, 3)
    body = {id(p) for module in modules for p in module.parameters()}
    start = network()
    for number in range(3):
        step(made, optimizer, hooks, batch, number)
    for (name, p), q in zip(made.named_parameters(), start.parameters(), strict=True):
        assert torch.equal(p, q) is (id(p) in body), name
        assert (p in optimizer.state and bool(optimizer.state[p])) is (id(p) not in body), name
    fresh = copy.deepcopy(made).requires_grad_(True).train()
    new_optimizer = make_optimizer(fresh, settings)
    for number in range(3, 6):
        step(made, optimizer, hooks, batch, number)
        step(fresh, new_optimizer, Hooks(), batch, number)
        if number == 3:  # the head's momentum goes on, so that its next steps are other ones
            joined = [(n, p, q) for (n, p), q in zip(made.named_parameters(), fresh.parameters(), strict=True)]
            for name, p, q in joined:
                if id(p) in body:
                    torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14, msg=name)
    assert all(p in optimizer.state for p in made.parameters())
    assert all(not torch.equal(p, q) for p, q in zip(made.parameters(), start.parameters(), strict=True))


def test_frozen_batch_normalisation_uses_its_statistics() -> None:
    """The frozen part computes what it computes in an evaluation."""
    made = network()
    for _ in range(3):
        made(double(batch_for(SMALL["residual"], seed=3)).pixels)  # statistics that are not the initial ones
    hooks = Freezing(modules_called(made, ["stem", "layer1"]), make_optimizer(made, SGD()), 2)
    batch = double(batch_for(SMALL["residual"]))
    hooks.see(batch, 0)
    last = made.layers()["layer1"][-1]
    frozen = made.maps(batch.pixels, [last])[0]
    with torch.no_grad(), eval_mode(made):
        expected = made.maps(batch.pixels, [last])[0]
    hooks.see(batch, 2)
    trained = made.maps(batch.pixels, [last])[0]
    torch.testing.assert_close(frozen, expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(trained, expected, rtol=1e-3)


def test_a_step_in_which_everything_that_learns_is_closed() -> None:
    """Only one unit is trained, and stochastic depth closes it in some steps: it decays there and nothing fails."""
    spec = SMALL["residual"].but(merge="StochasticDepth(rule=uniform, last=0.5)")
    torch.manual_seed(0)
    made = build(spec).train()
    names = [name for name in made.layers() if name != "layer3"] + ["layer3.0"]
    optimizer = make_optimizer(made, SGD(momentum=0))
    hooks = Freezing(modules_called(made, names), optimizer, None)
    unit = made.get_submodule("layer3.1")
    gradients = 0
    for number in range(12):
        hooks.see(batch_for(spec), number)
        forward_backward(made, batch_for(spec).pixels, batch_for(spec).labels, CrossEntropy())
        gradients += next(unit.parameters()).grad is not None
        before = next(unit.parameters()).clone()
        update(made, optimizer, 0.05, None)
        assert not torch.equal(before, next(unit.parameters()))
    assert 0 < gradients < 12


@pytest.mark.parametrize(("until", "words"), [(None, "random and frozen"), ("2 epochs", "random and at first frozen")])
def test_a_new_head_that_is_frozen_is_pointed_out(until: str | None, words: str) -> None:
    made = network()
    settings = Freeze.model_validate({"layers": "head, layer1", "until": until})
    assert settings.doubts(made, ()) == ()
    (said,) = settings.doubts(made, ("fc.weight", "fc.bias"))
    assert said.startswith(f"fc.weight and 1 more are drawn at {words}, so that")


def resolved(*settings: tuple[str, Any], **options: Any) -> Resolved:
    own = {**{k: v for k, v in TINY.items() if v is not None}, **as_settings(**options), **dict(settings)}
    return resolve(Request(settings=tuple(own.items())), Listener())


def test_the_option_the_recipe_and_python_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('base = "quick"\n[methods.Freeze]\nlayers = ["stem", "layer1"]\n')
    asked = [
        resolve(Request(settings=tuple(as_settings(freeze="stem,layer1").items())), Listener()),
        resolve(Request(settings=tuple(as_settings(freeze=["stem", "layer1"]).items())), Listener()),
        resolve(Request(assignments=("Freeze.layers=stem, layer1",)), Listener()),
        resolve(Request(assignments=('methods=Freeze(layers=["stem", "layer1"])',)), Listener()),
        resolve(Request(recipe=str(file)), Listener()),
    ]
    for found in asked:
        assert [method.model_dump() for method in found.task.recipe.methods.values()] == [
            {"layers": ("stem", "layer1"), "until": None}
        ]
        assert "Frozen, parameters and running statistics: stem, layer1 (Freeze)." in found.notes


@pytest.mark.parametrize(
    ("settings", "findings"),
    [
        (
            {"Freeze.layers": "stme, layer9"},
            [
                'the network has no layer "stme" with parameters (nearest: stem). Its layers: stem, layer1, layer2',
                'the network has no layer "layer9" with parameters (nearest: layer',
            ],
        ),
        ({"Freeze.layers": "relu"}, ['no layer "relu" with parameters']),
        ({"Freeze.layers": "10"}, ['no layer "10" with parameters']),
        ({"Freeze.layers": "body, fc"}, ["Freeze.layers = body, fc: nothing would be left to train"]),
        ({"Freeze.layers": []}, ["methods.Freeze.layers"]),
        ({"Freeze.until": "60 steps"}, ['Freeze.until = "60 steps" is step 60 of 50: give a time within the run']),
        ({"Freeze.until": "0 steps", "Freeze.layers": "a"}, ["is step 0 of 50", 'no layer "a"']),
        ({"methods": "Freeze, Pruning(keep_macs=0.9)"}, ["Freeze cannot be combined with Pruning"]),
    ],
)
def test_what_cannot_be_frozen_is_said_at_once(settings: dict[str, Any], findings: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        resolved(*settings.items())
    assert len(caught.value.findings) == len(findings)
    for found, expected in zip(caught.value.findings, findings, strict=True):
        assert expected in found


def test_random_weights_that_are_frozen_are_pointed_out(tmp_path: Path) -> None:
    """All of them without --weights; with weights of the same classes none; of other classes only the new head."""
    run = train(tmp_path / "run", TINY | {"length": "2 steps"})

    def random(weights: Path | None, freeze: str) -> list[str]:
        settings = (TINY if weights is None else DIGITS) | as_settings(freeze=freeze)
        request = Request(settings=tuple(settings.items()), weights=None if weights is None else str(weights))
        notes = resolve(request, Listener()).notes
        return [note for note in notes if "drawn at random" in note]

    assert random(None, "stem") == [
        "conv1.weight and 2 more are drawn at random and frozen, so that the other layers learn from random "
        "features: give trained weights with --weights, or do not freeze these."
    ]
    assert random(run.model, "body") == []


def test_the_files_of_a_run_that_freezes(tmp_path: Path) -> None:
    """Two evaluations on the way change no modes; the checkpoint has no momentum of the body."""
    settings = TINY | as_settings(freeze="body") | {"length": "40 steps"}
    request = Request(settings=tuple(settings.items()), out=tmp_path / "run")
    task = resolve(request, Listener()).task
    prepare_machine(task)
    before, _ = initial_network(task, None)
    folder = train(tmp_path / "run", settings)
    saved, _ = load_checkpoint(folder.last)
    body = [name for name in before.state_dict() if not name.startswith("fc.")]
    assert len(body) == 42
    assert [n for n in body if not torch.equal(before.state_dict()[n], saved[f"model.{n}"])] == []
    momenta = {n for n in saved if n.startswith("optimizer.")}
    assert momenta == {"optimizer.fc.weight.momentum_buffer", "optimizer.fc.bias.momentum_buffer"}
    kept = load_model(folder.model).network.state_dict()
    assert all(torch.equal(before.state_dict()[n], kept[n]) for n in body)
    assert not torch.equal(before.state_dict()["fc.weight"], kept["fc.weight"])


@pytest.mark.parametrize("optimizer", ["SGD(layer_decay=0.5)", "LAMB"])
def test_a_run_resumes_before_and_after_the_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """With an average of the weights: it resumes from steps 18, 30 and 36, and the layers join after step 30."""
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    settings = TINY | {"methods": 'Freeze(until="30 steps"), WeightAverage(decay=0.9)', "optimizer": optimizer}
    whole = train(tmp_path / "whole", settings).path
    again = stop_and_resume(tmp_path / "run", settings, [(25, "crash"), (30, "signal"), (40, "crash")])
    assert differences(again, whole) == []
