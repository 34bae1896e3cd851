"""ResRep's rule: what it does to gradients and masks, that it resumes bit for bit, and the smaller model it ends in."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from breadth import breadth
from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.compactor import Compactor
from cardinet.build.builder import build
from cardinet.measure.counts import count
from cardinet.rewrite.narrow import compactors
from cardinet.rewrite.steps import apply
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import load_model
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume, start
from cardinet.train.listener import Listener
from cardinet.train.methods.pruning import Pruner, Pruning, lasso_of, masking_steps
from cardinet.train.request import Request, resolve
from cardinet.train.task import Task
from cardinet.train.trainee import trainee
from train.runs_to_compare import differences
from train.test_exact_resume import Stopper

SETTINGS: dict[str, Any] = {
    "network.id": "resnet20_cifar",
    "network.delta": {"depths": [1, 1, 1]},
    "length": "160 steps",
    "evaluate_every": "70 steps",
    "log_every": "20 steps",
    "checkpoint_seconds": 1e6,
    "threads": 1,
    "keep_macs": 0.6,
    "lr": 0.05,
    "compactor_momentum": 0.9,
}
"""A run of a few seconds on the embedded digits."""


def task_of(**others: Any) -> Task:
    settings = {**SETTINGS, **others}
    return resolve(Request(recipe="prune", settings=tuple(settings.items())), Listener()).task


def run(out: Path, listener: Listener | None = None, **others: Any) -> RunFolder:
    settings = {**SETTINGS, **others}
    listener = listener or Listener()
    return start(resolve(Request(recipe="prune", settings=tuple(settings.items()), out=out), listener), listener)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("pruned") / "whole").path


def asked(task: Task) -> Pruning:
    method = task.recipe.methods["Pruning"]
    assert isinstance(method, Pruning)
    return method


def ready(**others: Any) -> tuple[Pruner, torch.optim.Optimizer, Any]:
    torch.manual_seed(0)
    task = task_of(**others)
    subject = trainee(task, build(task.spec))
    pruner = subject.hooks["Pruning"]
    assert isinstance(pruner, Pruner)
    return pruner, subject.optimizer, subject.network


def test_gradients_are_masked_and_penalised() -> None:
    """mask * gradient + lasso * row / length, row by row; other parameters are left alone."""
    pruner, _, network = ready(lasso=0.25)
    name, compactor = next(iter(pruner.compactors.items()))
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    with torch.no_grad():
        compactor.weight.normal_(generator=generator)
        compactor.weight[3] = 0
    compactor.mask[:5] = 0
    before = {n: p.grad.clone() for n, p in network.named_parameters()}
    rows = compactor.weight.detach().clone()
    own = next(n for n, p in network.named_parameters() if p is compactor.weight)
    pruner.before_update(pruner.last + 1)
    changed = compactor.weight.grad
    assert changed is not None
    for row in range(compactor.out_channels):
        length = math.sqrt(float(rows[row].square().sum()))
        penalty = 0.25 * rows[row] / length if length else torch.zeros_like(rows[row])
        expected = (0 if row < 5 else 1) * before[own][row] + penalty
        assert torch.allclose(changed[row], expected, atol=1e-6), (name, row)
    apart = {id(c.weight) for c in pruner.compactors.values()}
    others = [n for n, p in network.named_parameters() if id(p) not in apart]
    assert all(torch.equal(network.get_parameter(n).grad, before[n]) for n in others)
    assert len(others) == len(before) - 3


def test_the_shortest_rows_are_masked_until_the_target_is_met() -> None:
    pruner, _, _ = ready(mask_rows=1000)
    lengths: dict[tuple[str, int], float] = {}
    generator = torch.Generator().manual_seed(2)
    for name, compactor in pruner.compactors.items():
        scale = torch.rand(compactor.out_channels, generator=generator)
        with torch.no_grad():
            compactor.weight.mul_(scale[:, None, None, None])
        lengths |= {(name, row): float(scale[row]) for row in range(compactor.out_channels)}
    pruner.choose()
    masked = {(name, row) for name, c in pruner.compactors.items() for row in range(len(c.mask)) if c.mask[row] == 0}
    order = sorted(lengths, key=lengths.__getitem__)
    assert set(order[: len(masked)]) == masked
    assert pruner.budget.macs(pruner.widths()) <= pruner.target
    last = order[len(masked) - 1]
    assert pruner.budget.macs({**pruner.widths(), last[0]: pruner.widths()[last[0]] + 1}) > pruner.target


def test_one_row_of_each_compactor_stays() -> None:
    pruner, _, _ = ready(mask_rows=10_000)
    pruner.target = 0.01 * pruner.budget.whole
    pruner.choose()
    assert set(pruner.widths().values()) == {1}


def test_no_more_rows_than_allowed_are_masked_at_once() -> None:
    pruner, _, _ = ready(mask_rows=3)
    for times in (1, 2, 3):
        pruner.choose()
        assert sum(int((c.mask == 0).sum()) for c in pruner.compactors.values()) == 3 * times


def test_a_row_that_passes_zero_stays_there_and_one_that_begins_to_forget_loses_its_momentum() -> None:
    pruner, optimizer, _ = ready(mask_rows=1, mask_from="1 step")
    compactor = next(iter(pruner.compactors.values()))
    for other in pruner.compactors.values():
        other.weight.grad = torch.zeros_like(other.weight)
        optimizer.state[other.weight]["momentum_buffer"] = torch.ones_like(other.weight)
    with torch.no_grad():
        compactor.weight[2] *= 1e-3
    pruner.before_update(pruner.first)
    assert compactor.mask.tolist() == [1, 1, 0, *[1] * 13]
    momentum = optimizer.state[compactor.weight]["momentum_buffer"]
    assert not momentum[2].any()
    assert momentum[3].all()
    momentum[2] = 5.0
    with torch.no_grad():
        compactor.weight[2] *= -1
        compactor.weight[3] *= -1
    pruner.after_update(pruner.first)
    assert not compactor.weight[2].any()
    assert not momentum[2].any()
    assert compactor.weight[3].any()


def test_durations_and_the_penalty_follow_the_length_of_the_run() -> None:
    task = task_of(length="1000 steps")
    assert masking_steps(asked(task), task.clock) == (30, 600, 2)
    velocity, way = 0.0, 0.0  # of a row that starts from rest
    for _ in range(50):
        velocity = 0.9 * velocity + 1
        way += velocity
    assert lasso_of(asked(task), task.conditions) == pytest.approx(1 / (0.05 * way))
    strong, long = task_of(lasso=0.5), task_of(length="1000000 steps", compactor_momentum=0.99)
    assert [lasso_of(asked(task), task.conditions) for task in (strong, long)] == [0.5, 1e-4]


def test_compactors_have_their_own_momentum_and_no_decay() -> None:
    _, optimizer, network = ready()
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    found = [m for m in network.modules() if isinstance(m, Compactor)]
    assert len(found) == 3
    for module in found:
        group = groups[id(module.weight)]
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 0.0, False)
    assert groups[id(network.conv1.weight)]["momentum"] == 0.9
    assert groups[id(network.conv1.weight)]["weight_decay"] == 1e-4
    assert len(groups) == len(list(network.parameters()))


def test_the_model_file_is_a_smaller_network(whole: Path) -> None:
    folder = RunFolder(whole)
    model = load_model(folder.model)
    assert [step.name for step in model.rewrites] == ["fold", "narrow"]
    kept = model.rewrites[1].arguments["kept"]
    assert set(kept) == {"layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1"}
    full = build(model.spec, device="meta")
    share = count(copy.deepcopy(model.network).to("meta"), 8, 1).macs / count(full, 8, 1).macs
    assert share == model.training["macs_kept"] <= 0.6
    assert model.network.get_parameter("layer3.0.conv1.weight").shape[0] == kept["layer3.0.conv1"] < 64
    assert (apply(full, model.rewrites).state_dict().keys()) == model.network.state_dict().keys()
    assert not compactors(model.network)
    assert model.training["test"]["error"] < 0.7
    assert folder.record().rewrites == ({"name": "compact", "arguments": {}},)


@pytest.mark.parametrize("step", breadth([3, 40, 141], 3, 141))
def test_it_resumes_bit_for_bit(tmp_path: Path, whole: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before, while and after rows are masked."""
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    with pytest.raises(Interrupted):
        run(tmp_path / "run", Stopper(step, "signal"))
    resume(tmp_path / "run", Listener())
    assert differences(tmp_path / "run", whole) == []


@pytest.mark.long
def test_a_target_that_was_not_reached_is_said_and_can_be_helped(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"of the MACs are left where 60 % were asked.*--set lasso="):
        run(tmp_path / "run", lasso=1e-6)


def test_refusals() -> None:
    with pytest.raises(RequestError, match="or it has groups, which fix its channels"):
        task_of(**{"network.id": "resnext29_8x64d", "network.delta": {}})
    with pytest.raises(RequestError, match=r"keep_macs = 1\.5"):
        task_of(keep_macs=1.5)
    with pytest.raises(RequestError, match=r"one channel left in each of the 3 .* 0\.052 of its MACs remain"):
        task_of(keep_macs=0.05)
    with pytest.raises(RequestError, match=r'mask_from = "90 %" and mask_until = "10 %" are steps 144 and 16 of 160'):
        task_of(mask_from="90 %", mask_until="10 %")


def test_a_network_without_bn_is_narrowed_as_it_is() -> None:
    """There is nothing to fold, and a step that says so could not be done again when the file is read."""
    delta = {"depths": [2, 1], "widths": [4, 4]}
    task = task_of(keep_macs=0.9995, **{"network.id": "vgg16", "network.delta": delta})
    torch.manual_seed(0)
    network = trainee(task, build(task.spec)).network
    for compactor in compactors(network).values():
        with torch.no_grad():
            compactor.weight[1:] = 0
    made = asked(task).finish(network, (), task.conditions)
    assert made is not None
    assert made.figures["macs_kept"] < 0.9995
    assert [step.name for step in made.rewrites] == ["narrow"]
    again, small = apply(build(task.spec, device="meta"), made.rewrites), made.network
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in small.state_dict().items()}
