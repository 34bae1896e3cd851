"""The objectives against torch, torchvision, timm and scikit-learn, in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from cardinet.base.errors import RequestError
from cardinet.train.class_weights import balanced
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.objectives import Objective
from cardinet.train.objectives.binary_cross_entropy import BinaryCrossEntropy
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.objectives.focal import Focal
from cardinet.train.recipe import OBJECTIVES
from cardinet.train.request import Request, resolve
from train.runs_to_compare import differences, train
from train.test_exact_resume import Crash, Stopper
from train.test_methods import SHORT

WEIGHTS = (0.5, 3.0, 0.0, 1.25, 2.0)
CASES: dict[str, Objective] = {
    "CrossEntropy": CrossEntropy(class_weights=WEIGHTS, label_smoothing=0.1),
    "Focal": Focal(class_weights=WEIGHTS, gamma=1.5),
    "BinaryCrossEntropy": BinaryCrossEntropy(
        label_smoothing=0.1, over_classes="sum", positive_weights=(0.5, 3.0, 1.0, 1.25, 2.0)
    ),
}


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([0, 1, 2, 3, 4, 1, 1, 0, 3, 4, 2, 1])


@pytest.fixture
def mixed(labels: Tensor) -> Tensor:
    classes = F.one_hot(labels, 5).double()
    return 0.7 * classes + 0.3 * classes.roll(1, 0)


def test_every_objective_has_a_case() -> None:
    assert CASES.keys() == OBJECTIVES.rows.keys()


@pytest.mark.parametrize("name", CASES)
def test_classes_are_probabilities_and_parts_add_up(name: str, logits: Tensor, labels: Tensor, mixed: Tensor) -> None:
    objective = CASES[name]
    as_classes = objective.loss(logits, labels)
    torch.testing.assert_close(objective.loss(logits, F.one_hot(labels, 5).double()), as_classes, rtol=1e-12, atol=0)
    for target in (labels, mixed):
        parts = [
            objective.loss(x, y) * len(y) / 12
            for x, y in zip(logits.tensor_split(5), target.tensor_split(5), strict=True)
        ]
        torch.testing.assert_close(sum(parts), objective.loss(logits, target), rtol=1e-12, atol=0)


def test_weighted_cross_entropy_is_that_of_torch(logits: Tensor, labels: Tensor, mixed: Tensor) -> None:
    """For probabilities torch divides by the pictures as we do; for classes it divides by their weights."""
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    objective = CrossEntropy(class_weights=WEIGHTS, label_smoothing=0.1)
    expected = F.cross_entropy(logits, mixed, weights, label_smoothing=0.1)
    torch.testing.assert_close(objective.loss(logits, mixed), expected, rtol=1e-12, atol=0)
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=0.1) * weights[labels].sum() / 12
    torch.testing.assert_close(objective.loss(logits, labels), expected, rtol=1e-12, atol=0)
    assert torch.equal(CrossEntropy().loss(logits, labels), F.cross_entropy(logits, labels))


@pytest.mark.parametrize("threshold", [None, 0.2, 0.35])
@pytest.mark.parametrize("over", ["mean", "sum"])
def test_binary_cross_entropy_is_that_of_timm(
    logits: Tensor, labels: Tensor, mixed: Tensor, over: str, threshold: float | None
) -> None:
    """timm smooths class labels in the loss, and mixed ones before they are mixed."""
    from timm.loss.binary_cross_entropy import BinaryCrossEntropy as Theirs

    ours = BinaryCrossEntropy.model_validate(
        {"over_classes": over, "label_smoothing": 0.1, "target_threshold": threshold}
    )
    theirs = Theirs(smoothing=0.1, target_threshold=threshold, sum_classes=over == "sum")
    torch.testing.assert_close(ours.loss(logits, labels), theirs(logits, labels), rtol=1e-12, atol=0)
    before = torch.full((12, 5), 0.02, dtype=torch.float64).scatter_(1, labels[:, None], 0.92)
    target = 0.7 * before + 0.3 * before.roll(1, 0)
    torch.testing.assert_close(ours.loss(logits, mixed), theirs(logits, target), rtol=1e-12, atol=0)
    if threshold is not None:
        shown = (target > threshold).sum(1)
        assert set(shown.tolist()) == ({1, 2} if threshold == 0.2 else {1})  # the cases that the threshold is for


def test_binary_cross_entropy_by_torch(logits: Tensor, mixed: Tensor) -> None:
    expected = F.binary_cross_entropy_with_logits(logits, mixed)
    torch.testing.assert_close(BinaryCrossEntropy().loss(logits, mixed), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(BinaryCrossEntropy(over_classes="sum").loss(logits, mixed), 5 * expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_with_two_classes_is_that_of_torchvision(logits: Tensor, labels: Tensor, gamma: float) -> None:
    pairs, target = logits[:, :2], labels % 2
    difference = pairs[:, 1] - pairs[:, 0]
    expected = sigmoid_focal_loss(difference, target.double(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(Focal(gamma=gamma).loss(pairs, target), expected, rtol=1e-10, atol=0)
    expected = sigmoid_focal_loss(difference, target.double(), alpha=0.25, gamma=gamma, reduction="mean")
    ours = Focal(gamma=gamma, class_weights=(0.75, 0.25))
    torch.testing.assert_close(ours.loss(pairs, target), expected, rtol=1e-10, atol=0)


def test_focal_without_its_power_is_the_cross_entropy(logits: Tensor, labels: Tensor, mixed: Tensor) -> None:
    for target in (labels, mixed):
        torch.testing.assert_close(Focal(gamma=0).loss(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("objective", [*CASES.values(), Focal(gamma=0.5), Focal(gamma=0)], ids=repr)
def test_sure_answers_have_a_gradient(objective: Objective) -> None:
    """Right and wrong ones, beyond what a softmax in float32 can tell from 1."""
    logits = torch.tensor([[200.0, 0, 0, 0, 0], [0, 200.0, 0, 0, 0]], requires_grad=True)
    loss = objective.loss(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1, 1] > 0


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    counts = [5, 20, 1, 50]
    found = balanced("abcd", counts)
    truth = np.repeat(np.arange(4), counts)
    assert found == pytest.approx(compute_class_weight("balanced", classes=np.arange(4), y=truth), rel=1e-12)
    assert np.mean([found[label] for label in truth]) == pytest.approx(1)
    with pytest.raises(RequestError, match="no training pictures of b, d; give the weights as a list"):
        balanced("abcd", [1, 0, 3, 0])
    with pytest.raises(RequestError, match="no training pictures of 0, 1, 2 and 7 more;"):
        balanced("0123456789", [0] * 10)


def test_balanced_weights_are_recorded_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SHORT | {"class_weights": "balanced", "limit": 400}
    whole = train(tmp_path / "whole", settings)
    task = resolve(Request(settings=tuple(settings.items())), Listener()).task
    counts = np.bincount(task.source.splits["train"].labels, minlength=10)
    assert len(set(counts)) > 2
    expected = tuple((len(task.source.splits["train"]) / (10 * counts)).tolist())
    assert task.recipe.objective == CrossEntropy(class_weights=expected, label_smoothing=0.1)
    record = whole.record()
    assert record.recipe["objective"]["class_weights"] == list(expected)
    assert sum("The training loss weighs the classes by" in note for note in record.notes) == 1
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    with pytest.raises(Crash):
        train(tmp_path / "run", settings, Stopper(25, "crash"))
    assert differences(resume(tmp_path / "run", Listener()).path, whole.path) == []


def test_wrong_settings_of_objectives_are_found_together() -> None:
    settings = (("class_weights", [1, 2, 3]), ("methods", "FixedDepth(units=2)"))
    with pytest.raises(RequestError) as caught:
        resolve(Request(settings=settings), Listener())
    assert (
        "class_weights has 3 weights, and the pictures have 10 classes; give one for each, or balanced."
        in caught.value.findings
    )
    assert len(caught.value.findings) == 2


@pytest.mark.parametrize(
    ("objective", "finding"),
    [
        ("CrossEntropy(class_weights=[0, 0, 0, 0, 0, 0, 0, 0, 0, 0])", "all weights are 0"),
        ("CrossEntropy(class_weights=[-1, 1])", "greater than or equal to 0"),
        ('CrossEntropy(class_weights="even")', "'balanced'"),
        ("Focal(label_smoothing=0.1)", "Focal has no label_smoothing, which belongs to"),
        ("Focal(gamma=-1)", "greater than or equal to 0"),
        ("BinaryCrossEntropy(target_threshold=1)", "less than 1"),
        ("BCE", 'There is no objective "BCE"'),
    ],
)
def test_a_wrong_setting_of_an_objective(objective: str, finding: str) -> None:
    with pytest.raises(RequestError, match=finding):
        resolve(Request(settings=(("objective", objective),)), Listener())


def test_the_loss_of_a_run_is_that_of_its_objective(tmp_path: Path) -> None:
    """The first loss of a run is that of even answers to ten classes, which is another one for each objective."""
    expected: dict[str, Callable[[float], float]] = {
        "CrossEntropy": lambda p: -np.log(p),
        "BinaryCrossEntropy": lambda p: np.log(2),
        "Focal": lambda p: -((1 - p) ** 2) * np.log(p),
    }
    assert expected.keys() == OBJECTIVES.rows.keys()
    for name, value in expected.items():
        settings = SHORT | {
            "objective": f"{name}()",
            "length": "1 step",
            "log_every": "1 step",
            "evaluate_every": "1 step",
        }
        (row,) = [row for row in train(tmp_path / name, settings).rows() if row["kind"] == "train"]
        assert row["loss"] == pytest.approx(value(0.1), rel=0.25)


def test_positive_weights_are_those_of_torch_and_balance_the_classes(logits: Tensor) -> None:
    labels = (torch.rand(12, 5, generator=torch.Generator().manual_seed(2)) < 0.4).double()
    weights = (0.5, 3.0, 1.0, 1.25, 2.0)
    found = BinaryCrossEntropy(positive_weights=weights).loss(logits, labels)
    expected = F.binary_cross_entropy_with_logits(logits, labels, pos_weight=torch.tensor(weights).double())
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    fitted = BinaryCrossEntropy(positive_weights="balanced").fitted("ab", [2, 9], 10)
    assert fitted.positive_weights == pytest.approx((4.0, 1 / 9))
    for given, counts, words in (
        ("balanced", [0, 5], "no training picture, or every one, has a"),
        ((1.0,), [1, 5], "positive_weights has 1 weights, and the pictures have 2 classes"),
    ):
        with pytest.raises(RequestError, match=words):
            BinaryCrossEntropy(positive_weights=given).fitted("ab", counts, 10)
