"""The table of methods: each resumes bit for bit after a crash, and what keeps state without saving it is found."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cardinet.base.errors import RequestError, WorkError
from cardinet.build.builder import build
from cardinet.data.batches import Batch
from cardinet.evaluate.classification import evaluate
from cardinet.report.run_report import write_report
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.model_file import load_model
from cardinet.train import job
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.methods import Hooks
from cardinet.train.methods.weight_average import Averaging
from cardinet.train.recipe import METHODS
from cardinet.train.request import Request, resolve
from cardinet.train.task import Task
from cardinet.train.trainee import Trainee, trainee
from train.runs_to_compare import DIGITS, differences, train
from train.test_exact_resume import Crash, Stopper

SHORT = DIGITS | {"network.id": "resnet20_cifar", "depths": [1, 1, 1], "widths": [4, 8, 16], "stem.width": 4}
SHORT |= {"threads": 1}
RUNS: dict[str, dict[str, Any]] = {
    "AuxiliaryHeads": {"methods": "AuxiliaryHeads(at=[layer1, layer2.0], kind=googlenet, grid=2)"},
    "Pruning": {"methods.Pruning.keep_macs": 0.9, "compactor_momentum": 0.9, "lr": 0.2, "lasso": 0.3},
    "Freeze": {"methods": 'Freeze(until="30 steps")'},
    "WeightAverage": {"methods": "WeightAverage(decay=0.9)"},
    "FixedDepth": {"methods": "FixedDepth(units=2)", "merge": 'StochasticDepth(rule="uniform")'},
    "ProgressiveResizing": {"methods": 'ProgressiveResizing(start=4, by=2, until="30 steps")'},
    "Mixup": {"methods": "Mixup(probability=0.7)"},
    "CutMix": {"methods": "CutMix(probability=0.7)"},
    "Distillation": {"methods": "Distillation(teacher=TEACHER, temperature=2)"},
    "EarlyStopping": {"methods": "EarlyStopping(patience=2, improvement=0.5)", "evaluate_every": "9 steps"},
    "SharedEnsemble": {"methods": "SharedEnsemble()", "network.id": "fusenet_fuse3_26", "stem.width": None},
}
"""A short run with each method. A setting that is None is left out; TEACHER stands for a model file."""


def short(name: str, teacher: Path) -> dict[str, Any]:
    """The settings of the short run with a method."""
    wanted = {key: value for key, value in (SHORT | RUNS[name]).items() if value is not None}
    return {k: v.replace("TEACHER", str(teacher)) if isinstance(v, str) else v for k, v in wanted.items()}


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


def crashed_and_resumed(out: Path, settings: dict[str, Any], step: int = 25) -> Path:
    """The last checkpoint before the crash is that of the evaluation after step 18."""
    with pytest.raises(Crash):
        train(out, settings, Stopper(step, "crash"))
    assert load_checkpoint(out / "checkpoints/last.safetensors")[1]["step"] == 18
    return resume(out, Listener()).path


def test_every_method_has_a_run() -> None:
    assert RUNS.keys() == METHODS.rows.keys()


SLOW = {"SharedEnsemble"}  # a step of it is eight steps


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in RUNS])
def test_a_method_resumes_bit_for_bit(tmp_path: Path, teacher: Path, name: str) -> None:
    settings = short(name, teacher)
    whole = train(tmp_path / "whole", settings).path
    assert list(resolve(Request(settings=tuple(settings.items())), Listener()).task.recipe.methods) == [name]
    assert differences(crashed_and_resumed(tmp_path / "run", settings), whole) == []


class Remembering(Hooks):
    """Adds to a gradient what it has counted, and saves the count."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.parameter = next(network.parameters())
        self.count = torch.zeros((), dtype=torch.int64)

    def before_update(self, step: int) -> None:
        assert self.parameter.grad is not None
        self.count += 1
        self.parameter.grad += 1e-3 * self.count

    def state(self) -> Mapping[str, Tensor]:
        return {"count": self.count}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.count.copy_(state["count"])


class Forgetting(Remembering):
    """The same, and does not save it."""

    def state(self) -> Mapping[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        pass


@pytest.mark.parametrize(("kind", "same"), [(Remembering, True), (Forgetting, False)])
def test_state_that_is_not_saved_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Remembering], same: bool
) -> None:
    """By the same comparison as above."""

    def with_method(*given: Any, **named: Any) -> Trainee:
        subject = trainee(*given, **named)
        return replace(subject, hooks={"Mine": kind(subject.network)})

    monkeypatch.setattr(job, "trainee", with_method)
    whole = train(tmp_path / "whole", SHORT).path
    found = differences(crashed_and_resumed(tmp_path / "run", SHORT), whole)
    assert (found == []) is same


def test_the_average_by_its_formula() -> None:
    torch.manual_seed(0)
    network = build(task_with("WeightAverage(decay=0.55)").spec)
    hooks, expected = Averaging(0.55, network), {n: t.double() for n, t in network.state_dict().items()}
    for step, decay in enumerate(
        (2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 9 / 18, 10 / 19, 0.55, 12 / 21)
    ):
        network(torch.randn(4, 1, 8, 8))  # which moves the statistics
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        hooks.after_update(step)
        decay = [2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 9 / 18, 10 / 19, 0.55, 0.55][step]
        expected = {n: decay * a + (1 - decay) * network.state_dict()[n].double() for n, a in expected.items()}
    assert hooks.judged(network) is hooks.average
    for name, tensor in hooks.average.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor.double(), expected[name], rtol=1e-4, atol=1e-5)
        else:
            assert torch.equal(tensor, network.state_dict()[name])
    assert all(not parameter.requires_grad for parameter in hooks.average.parameters())


def test_the_average_is_that_of_torch_and_timm() -> None:
    """In float64, with a decay that acts from the first step: theirs have no warm-up, or another one."""
    from timm.utils.model_ema import ModelEmaV3

    torch.manual_seed(0)
    network = build(task_with("WeightAverage(decay=0.15)").spec).double()
    hooks, timms = Averaging(0.15, network), ModelEmaV3(network, decay=0.15)
    torchs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.15), use_buffers=True)
    torchs.update_parameters(network)  # the first one copies
    for step in range(5):
        network(torch.randn(4, 1, 8, 8, dtype=torch.float64))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        hooks.after_update(step)
        torchs.update_parameters(network)
        timms.update(network)
    compared = 0
    for name, tensor in hooks.average.state_dict().items():
        if tensor.is_floating_point():
            for theirs in (torchs.module, timms.module):
                torch.testing.assert_close(tensor, theirs.state_dict()[name], rtol=1e-12, atol=1e-14)
                compared += 1
    assert compared == 2 * 37


def test_the_model_file_has_the_average(tmp_path: Path) -> None:
    folder = train(tmp_path / "run", SHORT | RUNS["WeightAverage"])
    assert any("use the average of the weights" in note for note in folder.record().notes)
    tensors = load_checkpoint(folder.best)[0]
    kept = load_model(folder.model).network.state_dict()
    assert len(kept) == 44
    for name, tensor in kept.items():
        assert torch.equal(tensor, tensors[f"method.WeightAverage.{name}"]), name
    assert not torch.equal(kept["conv1.weight"], tensors["model.conv1.weight"])


def test_both_errors_are_reported(tmp_path: Path) -> None:
    """In each evaluation, that of the average and that of the weights, which is computed again here."""
    folder = train(tmp_path / "run", SHORT | {"methods": "WeightAverage(decay=0.97)", "evaluate_every": "25 steps"})
    rows = [row for row in folder.rows() if row["kind"] == "evaluation"]
    assert [row["step"] for row in rows] == [25, 50]
    assert all(row["weights_loss"] != row["loss"] for row in rows)
    task = task_with("WeightAverage(decay=0.97)")
    tensors = load_checkpoint(folder.last)[0]
    for name, error in (("model.", "weights_error"), ("method.WeightAverage.", "error")):
        network = build(task.spec)
        network.load_state_dict({k.removeprefix(name): t for k, t in tensors.items() if k.startswith(name)})
        found = evaluate(network, task.source.splits["validation"], task.preprocessing, 10)
        assert rows[-1][error] == found.error
        assert rows[-1][error.replace("error", "wrong")] == found.wrong
    assert "weights, not averaged: from" in write_report(folder).read_text()
    assert not any("weights_error" in row for row in train(tmp_path / "plain", SHORT).rows())


@pytest.mark.parametrize(("decay", "least"), [(0.9999, 0.8), (0.981, 0.8), (0.979, None), (0.5, None)])
def test_a_horizon_beyond_the_run_is_said(decay: float, least: float | None) -> None:
    """1 / (1 - decay) against 50 steps; the decay that the sentence gives acts before the last one."""
    task = task_with(f"WeightAverage(decay={decay})")
    more = task.recipe.methods["WeightAverage"].notes(task.conditions)[1:]
    assert len(more) == (least is not None)
    if least is not None:
        assert more[0].endswith(f"A decay of {least:g} or less takes effect.")
        assert f"averages over about {1 / (1 - decay):,.0f} steps, more than the 50 of the run" in more[0]
        assert least < (2 + 49) / (11 + 49) < decay


def test_an_average_of_another_network_is_refused() -> None:
    network = build(task_with("WeightAverage").spec)
    hooks = Averaging(0.9, network)
    state = copy.deepcopy(dict(hooks.state()))
    state.pop("conv1.weight")
    with pytest.raises(WorkError, match="does not have the average of this network's weights"):
        hooks.restore(state)


def task_with(methods: str, **others: Any) -> Task:
    settings = {**SHORT, "methods": methods, **others}
    return resolve(Request(settings=tuple(settings.items())), Listener()).task


def test_methods_and_optimizers_that_do_not_go_together() -> None:
    with pytest.raises(RequestError) as caught:
        task_with("Pruning(keep_macs=0.9), WeightAverage", optimizer="AdamW")
    assert [finding.partition(":")[0] for finding in caught.value.findings] == [
        "Pruning needs the momentum of SGD, but the optimizer is AdamW; use SGD.",
        "Pruning cannot be combined with WeightAverage",
    ]


class Halves(Hooks):
    """Labels as probabilities: half of each picture's class and half of the next one."""

    def see(self, batch: Batch, step: int) -> Batch:
        labels = F.one_hot(batch.labels, 10).float()
        return replace(batch, labels=(labels + labels.roll(1, 1)) / 2 if step % 2 else labels)


def test_labels_may_be_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the first step say the same as classes, and so does its loss; no second loop is needed."""

    def with_method(*given: Any, **named: Any) -> Trainee:
        return replace(trainee(*given, **named), hooks={"Halves": Halves()})

    settings = SHORT | {"length": "4 steps", "log_every": "1 step"}
    plain = train(tmp_path / "plain", settings).rows()
    monkeypatch.setattr(job, "trainee", with_method)
    mixed = train(tmp_path / "mixed", settings).rows()
    losses = [[row["loss"] for row in rows if row["kind"] == "train"] for rows in (plain, mixed)]
    assert len(losses[0]) == len(losses[1]) == 4
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-6)
    assert losses[0][2] != pytest.approx(losses[1][2], rel=1e-6)
