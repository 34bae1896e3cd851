"""Distillation: its loss by its formula in float64, what a teacher may be, and what a run records of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.base.errors import CardinetError, RequestError
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.train.estimate import meta_network, require_step
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.methods.distillation import Distillation, Teaching, distance
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.task import Task
from cardinet.train.teacher import Teacher
from cardinet.train.training_step import forward_backward
from train.runs_to_compare import differences, train
from train.test_exact_resume import Crash, Stopper
from train.test_methods import SHORT, task_with

LETTERS = tuple("abcdefghij")
DIGITS_ = tuple("0123456789")


def model(path: Path, classes: tuple[str, ...] = DIGITS_, channels: int = 1, crop: int = 8, **delta: Any) -> Path:
    """A model file with random weights."""
    spec = find("resnet20_cifar").spec.but(
        depths=(1, 1, 1), **{"num_classes": len(classes), "in_channels": channels, **delta}
    )
    mean, std = (0.5,) * channels, (0.25,) * channels
    preprocessing = Preprocessing(channels=cast(Any, channels), crop=crop, mean=mean, std=std)
    save_model(path, Model(build(spec), spec, classes, preprocessing))
    return path


def task(path: Path, more: str = "", **others: Any) -> Task:
    return task_with(f'Distillation(teacher="{path}"{more})', **others)


@pytest.fixture
def answers() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    own, its = 4 * torch.randn(2, 9, 10, dtype=torch.float64, generator=generator)
    return own.requires_grad_(), its


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_distance_by_its_formula(answers: tuple[Tensor, Tensor], temperature: float) -> None:
    own, its = answers
    p, q = (its / temperature).softmax(1), (own / temperature).softmax(1)
    expected = temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    found = distance(own, its, temperature)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    (gradient,) = torch.autograd.grad(found, own)
    torch.testing.assert_close(gradient, temperature * (q - p).detach() / 9, rtol=1e-9, atol=1e-15)  # Hinton's (2)
    assert distance(own, own, temperature).item() == pytest.approx(0, abs=1e-14)


def test_at_temperature_one_it_is_the_cross_entropy_of_probabilities(answers: tuple[Tensor, Tensor]) -> None:
    own, its = answers
    probabilities = its.softmax(1)
    entropy = -(probabilities * probabilities.log()).sum(1).mean()
    torch.testing.assert_close(distance(own, its, 1.0), F.cross_entropy(own, probabilities) - entropy)


def test_hard_distillation_is_that_of_deit(answers: tuple[Tensor, Tensor]) -> None:
    own, its = answers
    torch.testing.assert_close(distance(own, its, None), F.cross_entropy(own, its.argmax(1)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("parts", [1, 4])
def test_the_loss_and_the_gradient_of_a_step(teacher: Path, parts: int) -> None:
    """In float64, against a step that is written by hand."""
    asked = task(teacher, ", weight=0.3, temperature=3")
    method = asked.recipe.methods["Distillation"]
    assert isinstance(method, Distillation)
    torch.manual_seed(1)
    network = build(asked.spec).double().eval()
    professor = Teacher(str(teacher), asked.source.classes, asked.preprocessing, "cpu")
    professor.network.double()
    pixels, labels = torch.randn(10, 1, 8, 8, dtype=torch.float64), torch.arange(10)
    objective = CrossEntropy(label_smoothing=0.1)
    loss, _ = forward_backward(
        network, pixels, labels, objective, hooks=[Teaching(method, professor, distance)], parts=parts
    )
    found = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    mean, std = asked.preprocessing.mean[0], asked.preprocessing.std[0]
    with torch.no_grad():
        shown = (pixels * std + mean - 0.1) / 0.5
        its = load_model(teacher).network.double()(shown)
    logits = network(pixels)
    by_hand = 0.7 * F.cross_entropy(logits, labels, label_smoothing=0.1)
    by_hand = by_hand + 0.3 * 9 * F.kl_div((logits / 3).log_softmax(1), (its / 3).softmax(1), reduction="batchmean")
    expected = torch.autograd.grad(by_hand, list(network.parameters()))
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-9)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-12)
    assert all(p.grad is None for p in professor.network.parameters())


def test_classes_in_another_order_are_put_in_order(tmp_path: Path, teacher: Path) -> None:
    original = load_model(teacher)
    order = tuple(reversed(DIGITS_))
    save_model(tmp_path / "m.safetensors", Model(original.network, original.spec, order, original.preprocessing))
    pixels = torch.randn(3, 1, 8, 8)
    found = Teacher(str(tmp_path / "m.safetensors"), DIGITS_, original.preprocessing, "cpu")
    assert found.scale is None  # the same mean and deviation: the pixels stay as they are
    torch.testing.assert_close(found.logits(pixels), original.network(pixels).detach().flip(1))
    task(tmp_path / "m.safetensors")


def test_what_cannot_teach_is_refused_with_everything_else(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        task(
            model(tmp_path / "m.safetensors", LETTERS, channels=3),
            ", hard=true, temperature=2",
            objective="CrossEntropy(class_weights=[1, 2])",
        )
    weights, temperature, classes, channels = caught.value.findings
    assert "class_weights has 2 weights" in weights
    assert temperature.startswith("Distillation.temperature = 2: hard distillation has no temperature")
    assert classes.endswith(
        "m.safetensors has the classes a, b, c, d, e, ... (10), and the pictures have 0, 1, 2, 3, 4, ... (10); give a "
        "teacher of the same classes."
    )
    assert "takes colour pictures, and these are grey; give" in channels


@pytest.mark.parametrize(
    ("teacher_text", "finding"),
    [
        ("missing.safetensors", 'Distillation.teacher: "missing.safetensors" is not there'),
        ("resnet50", 'Distillation.teacher: "resnet50" is not there; give a run folder or a model file.'),
        (".", "is not a run folder"),
    ],
)
def test_a_teacher_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher_text: str, finding: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=finding):
        task_with(f'Distillation(teacher="{teacher_text}")')


def test_a_teacher_that_is_too_deep(tmp_path: Path) -> None:
    spec = find("inception_v3").spec.but(num_classes=10, in_channels=1)
    preprocessing = Preprocessing(channels=1, crop=299, mean=(0.5,), std=(0.5,))
    save_model(tmp_path / "m.safetensors", Model(build(spec), spec, DIGITS_, preprocessing))
    with pytest.raises(RequestError, match="cannot take pictures of 8 x 8 pixels; it was made for 299"):
        task(tmp_path / "m.safetensors")


@pytest.mark.parametrize("more", [", weight=0", ", weight=1.5", ", temperature=0", ", temperature=-1"])
def test_wrong_settings(teacher: Path, more: str) -> None:
    with pytest.raises(RequestError, match=r"greater than 0|less than or equal to 1"):
        task(teacher, more)


def test_the_teacher_counts_in_the_memory(teacher: Path, tmp_path: Path) -> None:
    def bytes_of(asked: Task, batch: int) -> int:
        network = meta_network(asked)
        return require_step(network, asked.recipe, 8, batch, "cpu", "float32").of(batch)

    wide = model(tmp_path / "wide.safetensors", widths=(64, 128, 256))
    plain, small, large = task_with("none"), task(teacher), task(wide)
    size = sum(t.numel() * t.element_size() for t in load_model(wide).network.state_dict().values())
    assert bytes_of(plain, 64) < bytes_of(small, 64) < bytes_of(large, 64) - size / 2
    parts = task(wide, accumulate=8)
    grown = bytes_of(large, 4096) - bytes_of(plain, 4096)
    assert bytes_of(parts, 4096) - bytes_of(task_with("none", accumulate=8), 4096) < grown / 2


def test_a_run_records_its_teacher_and_refuses_another(
    tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    monkeypatch.chdir(tmp_path)
    shutil.copy(teacher, "mine.safetensors")
    whole = f"Distillation(teacher={tmp_path / 'mine.safetensors'}, hard=true)"
    settings = SHORT | {"methods": "Distillation(teacher=mine.safetensors, hard=true)"}
    with pytest.raises(Crash):
        train(tmp_path / "run", settings, Stopper(25, "crash"))
    recorded = (tmp_path / "run" / "run.toml").read_text()
    assert f'teacher = "{tmp_path / "mine.safetensors"}"' in recorded
    assert "mine.safetensors teaches: it makes 50 % of the training loss, its answers are labels" in recorded
    model(tmp_path / "mine.safetensors")
    with pytest.raises(CardinetError, match=r"mine\.safetensors has changed: the sha256 of its file is"):
        resume(tmp_path / "run", Listener())
    (tmp_path / "mine.safetensors").unlink()
    with pytest.raises(CardinetError, match=r"mine\.safetensors\" is not there"):
        resume(tmp_path / "run", Listener())
    shutil.copy(teacher, "mine.safetensors")
    monkeypatch.chdir(tmp_path.parent)
    assert resume(tmp_path / "run", Listener()).evaluation.exists()
    assert differences(tmp_path / "run", train(tmp_path / "whole", settings | {"methods": whole}).path) == []


def test_a_teacher_of_larger_pictures_is_said(tmp_path: Path) -> None:
    path = model(tmp_path / "m.safetensors", crop=32)
    method = (asked := task(path)).recipe.methods["Distillation"]
    assert method.notes(asked.conditions)[1] == (
        "The teacher was made for pictures of 32 pixels and sees those of this run, of 8."
    )
