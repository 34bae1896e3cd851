"""The learning rate by closed formulas, and the conversion of durations into steps."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.models import group_parameters

from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.train.clock import Clock, make_clock
from cardinet.train.listener import Listener
from cardinet.train.recipe import OPTIMIZERS, Recipe, make_recipe
from cardinet.train.request import Request, resolve
from cardinet.train.schedules.step import Step
from cardinet.train.training_step import rates_of_parameters
from networks.small_networks import SMALL


def made(
    steps_per_epoch: int = 10, batch_size: int = 32, lr: float = 0.1, schedule: str | None = None, **settings: Any
) -> tuple[Recipe, Clock]:
    """A recipe with a part of that name as its schedule, or with `kind`, its name in old recipes."""
    training = {key: settings.pop(key) for key in ("length", "log_every", "evaluate_every") if key in settings}
    named = settings if schedule is None else {"part": schedule, **settings}
    recipe = make_recipe({"optimizer": {"lr": lr}, "schedule": named, "training": training})
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


def torchs(
    scheduler: Callable[[torch.optim.Optimizer], Any], lr: float, steps: int, momenta: list[float] | None = None
) -> list[float]:
    """The rates of a scheduler of torch, step by step; the momenta are added to the list."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    made, found = scheduler(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        if momenta is not None:
            momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        made.step()
    return found


@pytest.mark.parametrize(
    ("first", "factor", "final"), [(10, 1, 0.0), (10, 2, 0.0), (7, 3, 0.2), (1, 2, 0.1), (60, 1, 0.0)]
)
def test_restarts_as_torch_has_them(first: int, factor: int, final: float) -> None:
    recipe, times = made(
        schedule="CosineRestarts",
        length="150 steps",
        lr=0.5,
        restart_after=f"{first} steps",
        factor=factor,
        final=final,
    )
    restarts = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    expected = torchs(lambda o: restarts(o, T_0=first, T_mult=factor, eta_min=0.5 * final), 0.5, 150)
    assert rates(recipe, times) == pytest.approx(expected, rel=1e-12)
    assert expected.count(0.5) > 1


def test_restarts_begin_after_the_warmup() -> None:
    """By hand: two steps of warm-up, then cosines of 2 and 4 steps."""
    recipe, times = made(
        schedule="CosineRestarts", length="8 steps", lr=1.0, restart_after="2 steps", factor=2, warmup="2 steps"
    )
    h = math.sqrt(0.5)
    expected = [0.55, 1.0, 1.0, 0.5, 1.0, (1 + h) / 2, 0.5, (1 - h) / 2]
    assert rates(recipe, times) == pytest.approx(expected, rel=1e-12)
    assert recipe.schedule.notes(times) == ()


@pytest.mark.parametrize(
    ("length", "factor", "said"),
    [
        (3000, 2, None),  # cosines of 1,000, 2,000 and 4,000 steps
        (4000, 2, '85 % of the learning rate; with schedule.restart_after = "1334 steps" (2 cosines) or "572 steps"'),
        (6900, 2, None),
        (1500, 1, '50 % of the learning rate; with schedule.restart_after = "750 steps" (2 cosines) it'),
        (4500, 1, '50 % of the learning rate; with schedule.restart_after = "1125 steps" (4 cosines) or "900 steps"'),
    ],
)
def test_a_run_that_ends_within_a_cosine_is_told(length: int, factor: int, said: str | None) -> None:
    """And what it proposes ends near the end of a cosine, so that nothing is left to say."""
    own: dict[str, Any] = {"schedule": "CosineRestarts", "length": f"{length} steps", "factor": factor}
    recipe, times = made(**own, restart_after="1000 steps")
    notes = recipe.schedule.notes(times)
    assert (len(notes) == 1 and said in notes[0]) if said else notes == ()
    for steps in re.findall('"([0-9]+ steps)"', "".join(notes)):
        recipe, times = made(**own, restart_after=steps)
        assert recipe.schedule.notes(times) == ()
        assert rates(recipe, times)[-1] < 1e-4 * 0.1


@pytest.mark.parametrize(("every", "steps"), [("2 epochs", 20), ("7 steps", 7), ("10 %", 15)])
def test_drops_by_the_same_factor_as_torch_has_them(every: str, steps: int) -> None:
    recipe, times = made(schedule="Exponential", length="150 steps", lr=0.045, every=every, factor=0.94)
    expected = torchs(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=steps, gamma=0.94), 0.045, 150)
    assert rates(recipe, times) == pytest.approx(expected, rel=1e-12)
    assert len({round(rate, 12) for rate in expected}) == -(-150 // steps)


def test_drops_are_counted_from_the_start_also_with_a_warmup() -> None:
    own: dict[str, Any] = {"every": "2 steps", "factor": 0.5, "warmup": "3 steps", "warmup_from": 0.0}
    found = rates(*made(schedule="Exponential", length="7 steps", lr=1.0, **own))
    assert found == pytest.approx([1 / 3, 2 / 3, 1.0, 0.5, 0.25, 0.25, 0.125], rel=1e-12)


@pytest.mark.parametrize("steps", [20, 39, 200])
@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(
    ("warmup", "divisor", "final"), [("30 %", 25.0, 1e4), ("50 %", 10.0, 10.0), ("25 %", 2.0, 1e6)]
)
def test_one_cycle_as_torch_has_it(steps: int, shape: str, warmup: str, divisor: float, final: float) -> None:
    ends: dict[str, Any] = {"warmup_from": 1 / divisor, "final": 1 / divisor / final}
    ends["momenta"] = [0.8, 0.97]
    recipe, times = made(schedule="OneCycle", length=f"{steps} steps", lr=0.8, warmup=warmup, shape=shape, **ends)
    one = torch.optim.lr_scheduler.OneCycleLR
    momenta: list[float] = []
    expected = torchs(
        lambda o: one(
            o,
            max_lr=0.8,
            total_steps=steps,
            pct_start=times.steps(recipe.schedule.warmup) / steps,  # a part of a step has no rate here
            anneal_strategy="cos" if shape == "cosine" else "linear",
            div_factor=divisor,
            final_div_factor=final,
            base_momentum=0.8,
            max_momentum=0.97,
        ),
        0.8,
        steps,
        momenta,
    )
    assert rates(recipe, times) == pytest.approx(expected, rel=1e-9)
    assert [recipe.schedule.momentum(step, times) for step in range(steps)] == pytest.approx(momenta, rel=1e-9)


def test_the_defaults_of_one_cycle_are_torchs() -> None:
    found = rates(*made(schedule="OneCycle", length="10 steps", lr=1.0))
    assert found[0] == pytest.approx(1 / 25)
    assert found[2] == max(found) == 1.0
    assert found[-1] == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize(
    ("for_batch", "batch", "rate"), [(None, 64, 0.1), (64, 64, 0.1), (256, 64, 0.025), (32, 64, 0.2), (48, 64, 0.4 / 3)]
)
def test_the_rate_follows_the_batch_in_one_place(for_batch: int | None, batch: int, rate: float) -> None:
    """Goyal et al. 2017: k times the batch, k times the rate. Every step has it, and a sentence says so."""
    asked = () if for_batch is None else (("lr_for_batch", for_batch),)
    settings = (("batch_size", batch), ("optimizer", "SGD(lr=0.1)"), ("schedule", "Constant"), *asked)
    found = resolve(Request(settings=settings), Listener())
    assert found.task.learning_rate(7) == pytest.approx(rate, rel=1e-12)
    said = [note for note in found.notes if note.startswith("The learning rate is")]
    if for_batch in (None, batch):
        assert said == []
    else:
        assert said == [
            f"The learning rate is {rate:g}: 0.1 is meant for a batch of {for_batch}, and it is scaled linearly to the "
            f"batch of {batch} (Goyal et al. 2017, arXiv 1706.02677)."
        ]


POWERS = {"SGD": 1.0, "AdamW": 0.5, "LAMB": 0.5, "RMSProp": 0.5}
"""By optimizer the power of the batch with which its rate grows."""


def test_every_optimizer_has_the_rule_of_its_kind() -> None:
    """Four times the batch: four times the rate of SGD, twice that of the others."""
    assert POWERS.keys() == OPTIMIZERS.rows.keys()
    for name, power in POWERS.items():
        made = OPTIMIZERS.rows[name](lr=0.3, lr_for_batch=64)
        assert made.rate(256) == pytest.approx(0.3 * 4**power, rel=1e-12)
        assert made.rate(64) == OPTIMIZERS.rows[name](lr=0.3).rate(256) == pytest.approx(0.3, rel=1e-12)
        settings = (("batch_size", 8), ("optimizer", f"{name}(lr=0.1, lr_for_batch=32)"))
        (said,) = (note for note in resolve(Request(settings=settings), Listener()).notes if "is meant for" in note)
        assert said.startswith(f"The learning rate is {0.1 / 4**power:g}: 0.1 is meant for a batch of 32, ")
        assert said.endswith(f"({made.BATCH_RULE.source}).")


def test_a_rate_that_is_given_is_meant_for_the_batch_of_the_run(tmp_path: Path) -> None:
    """A recipe's lr_for_batch belongs to the recipe's lr, not to that of a delta."""
    base = tmp_path / "base.toml"
    base.write_text('base = "quick"\noptimizer.lr = 1.0\noptimizer.lr_for_batch = 320\n')
    (tmp_path / "own.toml").write_text('base = "base.toml"\noptimizer.lr = 0.3\n')

    def rate(recipe: Path, *settings: tuple[str, Any]) -> float:
        request = Request(recipe=str(recipe), settings=(("batch_size", 32), ("schedule", "Constant"), *settings))
        return resolve(request, Listener()).task.learning_rate(0)

    assert rate(base) == pytest.approx(0.1)
    assert rate(base, ("optimizer.weight_decay", 0.5)) == pytest.approx(0.1)
    assert rate(base, ("optimizer.lr", 0.5)) == pytest.approx(0.5)
    assert rate(base, ("optimizer", "SGD(lr=0.5)")) == pytest.approx(0.5)
    assert rate(base, ("optimizer.lr", 0.5), ("lr_for_batch", 64)) == pytest.approx(0.25)
    assert rate(tmp_path / "own.toml") == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("name", "elsewhere"), [("resnet18", []), ("resnext50_32x4d", []), ("densenet121", ["transition", "norm5"])]
)
def test_the_rates_of_layers_are_timms(name: str, elsewhere: list[str]) -> None:
    """timm's coarse layers of the same network. It counts a transition to the stage before it and DenseNet's last norm
    to the head; here a layer ends where a feature map does.
    """
    ours = build(find(name).spec, device="meta")
    with torch.device("meta"):
        theirs: Any = timm.create_model(name)
    layers = group_parameters(theirs, theirs.group_matcher(coarse=True), reverse=True)
    names = [parameter for parameter, _ in theirs.named_parameters()]
    by_parameter = rates_of_parameters(ours, 0.5)
    found = [by_parameter[id(p)] for p in ours.parameters()]
    assert len(found) == len(names) > 60
    other = [n for n, rate in zip(names, found, strict=True) if rate != 0.5 ** (max(layers.values()) - layers[n])]
    assert other == [n for n in names if any(word in n for word in elsewhere)]


def test_every_parameter_of_every_family_has_a_layer() -> None:
    """The layers divide the direct children: each child is in one, and the rate falls from the head to the stem."""
    tried = 0
    for name, spec in SMALL.items():
        network = build(spec, device="meta")
        layers = network.layers()
        assert sorted(child for children in layers.values() for child in children) == sorted(
            child for child, _ in network.named_children()
        )
        found = rates_of_parameters(network, 0.5)
        assert found.keys() == {id(p) for p in network.parameters()}, name
        in_order = [found[id(p)] for p in network.parameters()]
        assert in_order == sorted(in_order), name
        assert (in_order[-1], in_order[0]) == (1.0, 0.5 ** (len(layers) - 1)), name
        assert list(layers)[-1] == "head"
        tried += 1
    assert tried == len(SMALL) == 42


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
        ({"schedule": "OneCycle", "warmup": "1 step"}, "is less than two steps, and OneCycle rises first"),
        ({"schedule": "OneCycle", "warmup": "10 epochs"}, "is as long as the run or longer"),
        ({"schedule": "OneCycle", "momenta": [0.95, 0.85]}, "momenta = 0.95,0.85: the first is that of the highest"),
        ({"schedule": "CosineRestarts", "restart_after": "10 epochs"}, "is 100 steps, and 100 are left for cosines"),
        (
            {"schedule": "CosineRestarts", "restart_after": "9 epochs", "warmup": "10 %"},
            "is 90 steps, and 90 are left for cosines",
        ),
        ({"schedule": "CosineRestarts", "restart_after": "0.01 epochs"}, "is less than one step"),
        ({"schedule": "Exponential", "every": "0.01 epochs"}, "is less than one step"),
        ({"schedule": "Exponential", "every": "10 epochs"}, "is 100 steps, and the run ends after 100"),
    ],
)
def test_durations_without_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        made(**settings)
    assert message in str(caught.value)
