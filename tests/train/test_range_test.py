"""The range test of the learning rate: how a curve is read, and that its steps are those of the run."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.report.range_page import document, lead, write_range_page
from cardinet.runs.metrics import read_rows
from cardinet.runs.ranks import Ranks
from cardinet.train.listener import Listener
from cardinet.train.methods import Conditions, Hooks, Method
from cardinet.train.range_test import RangeTest, Sweep, range_test, resolve_range_test
from cardinet.train.rate_curve import EXPLODED, Explosion, read_curve, smooth
from cardinet.train.request import Request
from train.runs_to_compare import TINY, train

RATES = [10 ** (-5 + 6 * i / 99) for i in range(100)]
SHORT = Sweep(low=1e-3, high=1.0, steps=24)


def falling(middle: float, noise: float = 0.0) -> list[float]:
    """Losses that fall by a sigmoid in the logarithm of the rate, steepest at `middle`, and rise again far beyond."""
    draw = random.Random(0)
    x = [math.log10(rate / middle) for rate in RATES]
    return [2.3 - 1.5 / (1 + math.exp(-6 * v)) + 3 * max(0.0, v - 1) ** 2 + draw.gauss(0, noise) for v in x]


def test_smoothing_keeps_lines_and_halves_noise() -> None:
    line = [3 - 0.02 * i for i in range(60)]
    assert smooth(line) == pytest.approx(line, abs=1e-12)
    draw = random.Random(1)
    noisy = [value + draw.gauss(0, 0.1) for value in line]
    left = [a - b for a, b in zip(smooth(noisy), line, strict=True)]
    assert sum(v * v for v in left) / 60 < 0.3 * 0.1**2


@pytest.mark.parametrize("middle", [1e-3, 0.02, 0.3])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_suggestion_is_where_the_loss_falls_fastest(middle: float, noise: float) -> None:
    curve = read_curve(RATES, falling(middle, noise))
    assert curve.suggestion is not None
    assert curve.suggestion == pytest.approx(middle, rel=0.15 if noise == 0 else 0.6)
    assert curve.lowest > middle


def test_it_is_at_most_a_tenth_of_where_the_sweep_diverged() -> None:
    assert read_curve(RATES, falling(0.02), diverged=0.15).suggestion == 0.015
    assert read_curve(RATES, falling(0.02), diverged=4.0).suggestion == read_curve(RATES, falling(0.02)).suggestion


def test_a_loss_that_only_varies_or_rises_suggests_nothing() -> None:
    draw = random.Random(2)
    for losses in ([2.3 + draw.gauss(0, 0.1) for _ in RATES], [2.3 + 0.01 * i for i in range(100)]):
        curve = read_curve(RATES, losses)
        assert (curve.suggestion, curve.steepest) == (None, None)


def test_an_explosion_is_noticed_and_ordinary_noise_is_not() -> None:
    """A running mean of four times the lowest; half above the untrained network's; no number; never a single loss."""
    draw = random.Random(3)
    quiet = Explosion()
    assert not any(quiet.grown(2.3 * 10 ** draw.gauss(0, 0.1)) for _ in range(500))
    for losses in ([0.1] * 20 + [1.0] * 4, [2.3] * 20 + [1.5] * 20 + [9.0] * 3, [2.3, math.nan], [2.3, math.inf]):
        watch = Explosion()
        found = [watch.grown(loss) for loss in losses]
        assert found[-1]
        assert not any(found[:20]) or len(losses) == 2
    lone = Explosion()
    assert not any(lone.grown(loss) for loss in [2.0] * 20 + [2.0 * EXPLODED] + [2.0] * 20)


def found_with(settings: Mapping[str, Any], sweep: Sweep = SHORT, *callbacks: Method) -> RangeTest:
    request = Request(settings=tuple({**TINY, **settings}.items()), callbacks=callbacks)
    return range_test(resolve_range_test(request, None, Listener()), Listener(), sweep)


def test_its_first_step_is_that_of_the_run(tmp_path: Path) -> None:
    """The same weights, pictures, augmentation and methods: the same loss, bit for bit. The seed decides them."""
    settings = {"methods": "Mixup", "optimizer": "AdamW", "augmentation.Flip": "Flip(probability=0.5)"}
    short = Sweep(steps=12)
    first = found_with(settings, short)
    run = train(tmp_path / "run", {**TINY, **settings, "length": "2 steps", "log_every": "1 step"})
    assert first.curve.losses[0] == next(row["loss"] for row in read_rows(run.metrics) if row["kind"] == "train")
    assert found_with(settings, short).curve == first.curve
    assert found_with({**settings, "seed": 1}, short).curve.losses != first.curve.losses
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


class Rates(Method):
    """Notes the learning rate of each group after each step."""

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return _Noting(optimizer)


class _Noting(Hooks):
    seen: list[list[float]] = []

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.seen.clear()

    def after_update(self, step: int) -> None:
        self.seen.append([group["lr"] for group in self.optimizer.param_groups])


def test_rates_rise_by_one_factor_and_layers_keep_their_proportion() -> None:
    """The schedule and its warm-up have no part in it."""
    found = found_with({"layer_decay": 0.5, "schedule.warmup": "50 %"}, SHORT, Rates())
    highest = [max(rates) for rates in _Noting.seen]
    assert highest == pytest.approx(found.curve.rates)
    factors = [after / before for before, after in itertools.pairwise(highest)]
    assert factors == pytest.approx([1000 ** (1 / 23)] * len(factors))
    for rates in _Noting.seen:
        assert sorted({round(rate / max(rates), 9) for rate in rates}) == [0.5**n for n in (4, 3, 2, 1, 0)]
    assert any("proportion" in note for note in found.notes)
    assert any("Cosine" in note and "ignored" in note for note in found.notes)


def test_what_it_suggests_is_said_for_the_batch_and_for_the_recipe(tmp_path: Path) -> None:
    found = found_with({"optimizer": "SGD(lr=0.1, lr_for_batch=128)"}, Sweep(low=1e-4, high=10, steps=60))
    curve = found.curve
    assert curve.suggestion is not None
    assert 0.003 < curve.suggestion < 1
    assert found.for_recipe == pytest.approx(4 * curve.suggestion, rel=0.01)
    assert (
        lead(found)[0] == f"For batches of 32 pictures: --lr {curve.suggestion:g}, as the highest rate of the schedule."
    )
    assert "batches of 128" in lead(found)[1]
    told: Mapping[str, Any] = document(found)
    assert told["losses"] == list(curve.losses)
    assert (told["suggestion"], told["batch_size"], told["optimizer"]) == (curve.suggestion, 32, "SGD")
    write_range_page(found, "cardinet train --find-lr", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"suggested: {curve.suggestion:g}" in page
    assert "cardinet train --find-lr" in page


def test_what_is_wrong_is_found_together(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    request = Request(settings=(("lr", -1), ("data.source", "nothing-here")), watch=("tensorboard",))
    with pytest.raises(RequestError) as caught:
        resolve_range_test(request, tmp_path / "page.html", Listener(), Ranks(0, 2))
    told = "\n".join(caught.value.findings)
    for part in ("page.html exists", "optimizer.lr = -1", "nothing-here", "one process", "omit --watch"):
        assert part in told
    with pytest.raises(RequestError, match=r"end its name with \.html"):
        resolve_range_test(Request(), tmp_path / "page", Listener())


def test_a_loss_that_explodes_at_once_has_another_cause() -> None:
    with pytest.raises(WorkError, match="the rate is not the cause"):
        found_with({"std": [1e-38], "mean": [-3e38], "precision": "float32"})
