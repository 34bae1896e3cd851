"""The learning rate by closed formulas, and the conversion of durations into steps."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError
from cardinet.train.clock import Clock, make_clock
from cardinet.train.recipe import Recipe, make_recipe
from cardinet.train.schedules.step import Step


def made(steps_per_epoch: int = 10, batch_size: int = 32, lr: float = 0.1, **schedule: Any) -> tuple[Recipe, Clock]:
    training = {key: schedule.pop(key) for key in ("length", "log_every", "evaluate_every") if key in schedule}
    recipe = make_recipe({"optimizer": {"lr": lr}, "schedule": schedule, "training": training})
    times = make_clock(recipe.training.model_copy(update={"batch_size": batch_size}), steps_per_epoch * batch_size)
    recipe.schedule.check(times)
    return recipe, times


def rates(recipe: Recipe, times: Clock) -> list[float]:
    return [recipe.optimizer.lr * recipe.schedule.share(step, times) for step in range(times.length)]


def test_constant() -> None:
    assert rates(*made(kind="constant", length="5 steps")) == [0.1] * 5


def test_steps_drop_at_shares_of_the_run() -> None:
    """ResNeXt on CIFAR: 300 epochs, divided by ten at a half and at three quarters."""
    recipe, times = made(steps_per_epoch=390, kind="step", drops=["50 %", "75 %"], length="300 epochs")
    found = rates(recipe, times)
    assert isinstance(recipe.schedule, Step)
    assert [times.steps(drop) for drop in recipe.schedule.drops] == [58_500, 87_750]
    assert len(found) == 117_000
    assert found[58_499] == 0.1
    assert found[58_500] == found[87_749] == pytest.approx(0.01, rel=1e-12)
    assert found[87_750] == found[-1] == pytest.approx(0.001, rel=1e-12)


def test_drops_in_any_unit_are_the_same_steps() -> None:
    units = [["3 epochs", "7 epochs"], ["30 steps", "70 steps"], ["960 examples", "2240 examples"], ["30 %", "70 %"]]
    found = {tuple(rates(*made(kind="step", drops=drops, length="10 epochs"))) for drops in units}
    assert len(units) == 4
    assert found == {tuple([0.1] * 30 + [0.1 * 0.1] * 40 + [0.1 * 0.1**2] * 30)}


def test_another_factor() -> None:
    found = rates(*made(kind="step", drops=["1 step", "2 steps", "3 steps"], factor=0.2, length="4 steps"))
    assert found == pytest.approx([0.1, 0.02, 0.004, 0.0008], rel=1e-12)


def test_cosine() -> None:
    """lr * (1 + cos(pi t / T)) / 2 for t = 0 .. T - 1; zero would be reached after the last step."""
    found = rates(*made(kind="cosine", length="4 steps", lr=1.0))
    assert found == pytest.approx([1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2], rel=1e-12)


def test_cosine_to_a_final_share() -> None:
    found = rates(*made(kind="cosine", length="1000 steps", lr=2.0, final=0.25))
    assert found[0] == 2.0
    assert found[500] == pytest.approx(2.0 * (0.25 + 0.75 / 2), rel=1e-12)
    assert found[-1] == pytest.approx(0.5, rel=1e-4)
    assert min(found) > 0.5


def test_warmup_is_a_line_to_the_rate() -> None:
    """From 0.1 lr (reached before the first step) to lr in the last step of the warm-up; then the cosine begins."""
    recipe, times = made(kind="cosine", length="20 steps", warmup="25 %", lr=1.0)
    found = rates(recipe, times)
    assert times.steps(recipe.schedule.warmup) == 5
    assert found[:5] == pytest.approx([0.28, 0.46, 0.64, 0.82, 1.0], rel=1e-12)
    assert found[5:] == pytest.approx([0.5 * (1 + math.cos(math.pi * t / 15)) for t in range(15)], rel=1e-12)


@pytest.mark.parametrize("warmup", ["2 epochs", "20 steps", "640 examples", "40 %"])
def test_warmup_in_any_unit(warmup: str) -> None:
    recipe, times = made(kind="constant", length="5 epochs", warmup=warmup, warmup_from=0.0, lr=1.0)
    assert rates(recipe, times) == pytest.approx([(i + 1) / 20 for i in range(20)] + [1.0] * 30, rel=1e-12)


def test_warmup_before_steps() -> None:
    """The drops are counted from the start of the run, not from the end of the warm-up."""
    found = rates(*made(kind="step", length="6 steps", warmup="2 steps", warmup_from=0.5, drops=["4 steps"], lr=1.0))
    assert found == pytest.approx([0.75, 1, 1, 1, 0.1, 0.1], rel=1e-12)


@given(
    kind=st.sampled_from(["step", "cosine", "constant"]),
    length=st.integers(1, 300),
    warmup=st.integers(0, 99),
    start=st.floats(0, 1),
    final=st.floats(0, 0.99),
    lr=st.floats(1e-6, 1e3),
)
def test_every_rate_is_sound(kind: str, length: int, warmup: int, start: float, final: float, lr: float) -> None:
    """Never above lr and never below zero; it rises within the warm-up and never afterwards."""
    settings: dict[str, dict[str, Any]] = {"step": {"drops": ["30 %", "60 %"]}, "cosine": {"final": final}}
    own = settings.get(kind, {})
    recipe, times = made(kind=kind, length=f"{length} steps", warmup=f"{warmup} %", warmup_from=start, lr=lr, **own)
    found = rates(recipe, times)
    slack = 1e-12 * lr
    assert len(found) == length
    assert all(0 <= rate <= lr + slack for rate in found)
    rising, falling = found[: times.steps(recipe.schedule.warmup)], found[times.steps(recipe.schedule.warmup) :]
    assert all(a <= b + slack for a, b in itertools.pairwise(rising))
    assert all(a >= b - slack for a, b in itertools.pairwise(falling))


def test_the_clock_converts_everything() -> None:
    _, times = made(steps_per_epoch=39, length="40 epochs", log_every="39 steps", evaluate_every="5 %")
    assert (times.length, times.log_every, times.evaluate_every) == (1560, 39, 78)
    assert times.steps(Duration("5 %")) == 78
    assert times.epoch(78) == 2.0
    assert [step for step in range(1, 1561) if times.evaluates(step)] == list(range(78, 1561, 78))


def test_the_last_step_is_always_logged_and_evaluated() -> None:
    _, times = made(length="7 steps", log_every="3 steps", evaluate_every="4 steps")
    assert [step for step in range(1, 8) if times.logs(step)] == [3, 6, 7]
    assert [step for step in range(1, 8) if times.evaluates(step)] == [4, 7]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": "10 examples"}, 'training.length = "10 examples" is less than one step of 32 pictures'),
        ({"length": "50 %"}, "the length of a run cannot be a part of itself"),
        ({"log_every": "0.01 epochs"}, 'training.log_every = "0.01 epochs" is less than one step'),
        ({"evaluate_every": "1 example"}, 'training.evaluate_every = "1 example" is less than one step'),
        ({"kind": "step", "drops": ["75 %", "50 %"]}, "schedule.drops must rise"),
        ({"kind": "step", "drops": ["30 epochs"], "length": "10 epochs"}, "and the run ends after"),
        ({"kind": "cosine", "drops": ["50 %"]}, "schedule: Cosine has no drops, which belongs to Step"),
        ({"warmup": "20 epochs", "length": "10 epochs"}, "is as long as the run or longer"),
        ({"warmup": "500 %"}, "is as long as the run or longer"),
    ],
)
def test_durations_without_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        made(**settings)
    assert message in str(caught.value)
