"""Mixup and CutMix against torchvision, and what they draw."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from cardinet.base.errors import RequestError
from cardinet.data.batches import Batch
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.methods.cutmix import CutMix, box
from cardinet.train.methods.mixup import Mixup
from cardinet.train.mixing import Mixer, Mixing
from cardinet.train.objectives.binary_cross_entropy import BinaryCrossEntropy
from cardinet.train.objectives.cross_entropy import CrossEntropy
from train.runs_to_compare import differences, train
from train.test_exact_resume import Crash, Stopper
from train.test_methods import SHORT, task_with

STEPS = 4000


def mixer(methods: str, of: type[Mixing], **others: Any) -> Mixer:
    """The hooks of one of the methods."""
    task = task_with(methods, **others)
    (method,) = [method for method in task.recipe.methods.values() if isinstance(method, of)]
    return Mixer(method, task.conditions)


def batch(dtype: torch.dtype, height: int = 9, width: int = 7) -> Batch:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randn(6, 3, height, width, dtype=dtype, generator=generator)
    return Batch(pixels.to(memory_format=torch.channels_last), torch.tensor([0, 3, 9, 3, 1, 2]), np.arange(6))


def torchvisions(
    kind: type[v2.MixUp] | type[v2.CutMix], given: Batch, params: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[Tensor, Tensor]:
    """The batch as torchvision's transform mixes it with these parameters."""
    monkeypatch.setattr(kind, "make_params", lambda self, inputs: dict(params))
    pixels, labels = kind(num_classes=10)(given.pixels, given.labels)
    return pixels, labels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mixup_is_that_of_torchvision(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    hooks, given = mixer("Mixup", Mixup), batch(dtype)
    for step in range(5):
        mixed = hooks.see(given, step)
        pixels, labels = torchvisions(v2.MixUp, given, {"lam": hooks.draw(step)[0]}, monkeypatch)
        torch.testing.assert_close(mixed.pixels, pixels)
        torch.testing.assert_close(mixed.labels, labels.to(dtype))
        assert mixed.pixels.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(given.pixels, batch(dtype).pixels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cutmix_is_that_of_torchvision(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    hooks, given = mixer("CutMix", CutMix), batch(dtype)
    for step in range(5):
        mixed = hooks.see(given, step)
        x1, y1, x2, y2 = place = box(7, 9, *hooks.draw(step))
        params = {"box": place, "lam_adjusted": 1 - (x2 - x1) * (y2 - y1) / 63}
        pixels, labels = torchvisions(v2.CutMix, given, params, monkeypatch)
        assert torch.equal(mixed.pixels, pixels)
        torch.testing.assert_close(mixed.labels, labels.to(dtype))
        assert mixed.pixels.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(given.pixels, batch(dtype).pixels)


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.2, 0.5, 0.9, 1.0])
def test_the_box_is_that_of_torchvision(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """With the same centre: torchvision draws it as two whole numbers."""
    transform = v2.CutMix(num_classes=10)
    monkeypatch.setattr(transform._dist, "sample", lambda shape: torch.tensor(share, dtype=torch.float64))
    for seed in range(20):
        draw = random.Random(seed)
        centre = [int(draw.random() * 31), int(draw.random() * 17)]
        monkeypatch.setattr(torch, "randint", lambda most, size, left=centre: torch.tensor([left.pop(0)]))
        expected = transform.make_params([torch.zeros(2, 3, 17, 31)])["box"]
        assert box(31, 17, share, random.Random(seed)) == expected


@pytest.mark.parametrize(("alpha", "of"), [(0.2, Mixup), (1.0, CutMix), (4.0, Mixup)])
def test_lambda_is_of_the_beta_distribution(alpha: float, of: type[Mixing]) -> None:
    hooks = mixer(f"{of.__name__}(alpha={alpha})", of)
    drawn = [hooks.draw(step)[0] for step in range(STEPS)]
    assert kstest(drawn, beta(alpha, alpha).cdf).pvalue > 0.01
    again = mixer(f"{of.__name__}(alpha={alpha})", of, seed=1)
    assert again.draw(7)[0] != hooks.draw(7)[0] == drawn[7]


@pytest.mark.parametrize(
    ("methods", "shares"),
    [
        ("Mixup, CutMix", {"Mixup": 0.5, "CutMix": 0.5}),
        ("Mixup(probability=0.25), CutMix", {"Mixup": 0.2, "CutMix": 0.8}),
        ("Mixup(probability=0.3), CutMix(probability=0.5)", {"Mixup": 0.3, "CutMix": 0.5, "": 0.2}),
        ("Mixup(probability=0.0), CutMix", {"CutMix": 1.0}),
        ("CutMix(probability=0.4)", {"CutMix": 0.4, "": 0.6}),
    ],
)
def test_one_of_them_acts_by_its_chance(methods: str, shares: dict[str, float]) -> None:
    task = task_with(methods)
    hooks = {name: Mixer(m, task.conditions) for name, m in task.recipe.methods.items() if isinstance(m, Mixing)}
    given = batch(torch.float32, 2, 2)
    acted: Counter[str] = Counter()
    for step in range(STEPS):
        names = [name for name, mixing in hooks.items() if mixing.see(given, step) is not given]
        assert len(names) <= 1
        acted["".join(names)] += 1
    assert acted.keys() == shares.keys()
    for name, share in shares.items():
        assert acted[name] / STEPS == pytest.approx(share, abs=0.03)
        if name:
            note = f"{name} mixes pictures in {100 * share:.3g} % of the steps."
            assert any(text.startswith(note) for m in hooks.values() for text in m.method.notes(task.conditions))


@pytest.mark.parametrize("objective", [CrossEntropy(label_smoothing=0.1), BinaryCrossEntropy(label_smoothing=0.1)])
def test_smoothing_before_and_after_mixing_is_the_same(objective: CrossEntropy | BinaryCrossEntropy) -> None:
    given = batch(torch.float64)
    logits = torch.randn(6, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    after = objective.loss(logits, mixer("Mixup", Mixup).see(given, 3).labels)
    smooth = Batch(given.pixels, 0.9 * F.one_hot(given.labels, 10).double() + 0.01, given.index)
    plain = objective.model_copy(update={"label_smoothing": 0.0})
    before = plain.loss(logits, mixer("Mixup", Mixup).see(smooth, 3).labels)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=0)


def test_a_run_with_both_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With parts of batches and with labels that are thresholded."""
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    settings = SHORT | {"methods": "Mixup, CutMix(probability=0.5)", "accumulate": 3}
    settings |= {"objective": "BinaryCrossEntropy(target_threshold=0.2, label_smoothing=0.1)"}
    whole = train(tmp_path / "whole", settings)
    with pytest.raises(Crash):
        train(tmp_path / "run", settings, Stopper(25, "crash"))
    assert differences(resume(tmp_path / "run", Listener()).path, whole.path) == []
    notes = json.dumps(whole.record().notes)
    assert "counts an answer as right if it is the class with the largest share of the picture" in notes


def test_an_objective_that_takes_no_probabilities_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together with everything else."""
    monkeypatch.setattr(CrossEntropy, "PROBABILITIES", False)
    with pytest.raises(RequestError) as caught:
        task_with("Mixup, CutMix, FixedDepth(units=1)")
    cut, fixed, mix = caught.value.findings
    assert "methods.FixedDepth: the network has no unit" in fixed
    for name, finding in (("CutMix", cut), ("Mixup", mix)):
        assert finding == (
            f"methods.{name} makes labels that are probabilities, which the objective CrossEntropy cannot take; use "
            "another objective."
        )


@pytest.mark.parametrize(
    "method", ["Mixup(alpha=0)", "CutMix(alpha=-1)", "Mixup(probability=1.5)", "CutMix(probability=-0.1)"]
)
def test_wrong_settings(method: str) -> None:
    with pytest.raises(RequestError, match=r"greater than|less than"):
        task_with(method)
