"""Each kernel for inference, for each instruction set of this processor: against torch in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from cardinet.inference.plan import works_of
from cardinet.inference.steps import Step, Steps
from cardinet.ops.instruction_sets import SETS, usable
from inference.by_torch import values_of
from inference.kept_maps import maps_made

TYPES = [(torch.float32, 3e-6), (torch.bfloat16, 2**-8 + 1e-5)]
"""The types, with the largest error as a share of the largest value: half a step of bfloat16."""

CONVOLUTIONS: list[tuple[Any, ...]] = [
    # inputs, outputs, kernel, stride, padding, dilation, groups, height, width
    (3, 64, (7, 7), (2, 2), (3, 3), (1, 1), 1, 23, 30),
    (3, 17, (3, 3), (1, 1), (1, 1), (2, 2), 1, 9, 8),
    (4, 8, (1, 1), (1, 1), (0, 0), (1, 1), 1, 5, 5),
    (16, 32, (1, 1), (1, 1), (0, 0), (1, 1), 1, 6, 11),
    (33, 50, (1, 1), (1, 1), (0, 0), (1, 1), 1, 7, 7),
    (64, 33, (1, 1), (2, 2), (0, 0), (1, 1), 1, 9, 7),
    (21, 40, (3, 3), (1, 1), (1, 1), (1, 1), 1, 8, 8),
    (64, 96, (3, 3), (2, 2), (1, 1), (1, 1), 1, 10, 15),
    (32, 16, (5, 1), (1, 2), (2, 0), (1, 1), 1, 12, 9),
    (32, 48, (3, 3), (1, 1), (2, 2), (2, 2), 1, 7, 10),
    (16, 16, (3, 3), (1, 1), (0, 0), (1, 1), 1, 9, 6),
    (128, 128, (3, 3), (1, 1), (1, 1), (1, 1), 32, 5, 9),
    (128, 128, (3, 3), (2, 2), (1, 1), (1, 1), 32, 9, 13),
    (48, 48, (3, 3), (1, 1), (1, 1), (1, 1), 12, 4, 16),
    (96, 96, (3, 3), (1, 1), (1, 1), (1, 1), 12, 8, 14),
    (64, 64, (3, 3), (2, 2), (1, 1), (1, 1), 8, 15, 15),
    (112, 112, (3, 3), (1, 1), (1, 1), (1, 1), 7, 7, 7),
    (64, 64, (3, 3), (2, 2), (1, 1), (1, 1), 4, 14, 28),
    (128, 128, (3, 3), (1, 1), (1, 1), (1, 1), 4, 7, 7),
    (128, 128, (3, 3), (2, 2), (1, 1), (1, 1), 4, 9, 9),
    (128, 128, (3, 3), (1, 1), (1, 1), (1, 1), 2, 5, 6),
    (40, 40, (3, 3), (1, 1), (1, 1), (1, 1), 40, 6, 6),
    (36, 36, (3, 3), (2, 2), (1, 1), (1, 1), 3, 7, 8),
    (64, 64, (3, 3), (1, 1), (1, 1), (1, 1), 64, 3, 3),
    (24, 48, (5, 5), (1, 1), (2, 2), (1, 1), 12, 6, 5),
    (30, 30, (3, 3), (1, 1), (1, 1), (1, 1), 15, 5, 5),
]
"""Stems, 1 x 1, dense and grouped ones with 1 to 64 channels a group, sizes that fill no run and no vector."""

POOLS: list[dict[str, Any]] = [
    {"kind": "max", "kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)},
    {"kind": "max", "kernel": (2, 2), "stride": (2, 2), "ceil": True},
    {"kind": "mean", "kernel": (2, 2), "stride": (2, 2)},
    {"kind": "mean", "kernel": (3, 3), "stride": (2, 2), "padding": (1, 1), "counts_padding": True},
    {"kind": "mean", "kernel": (3, 3), "stride": (1, 1), "padding": (1, 1)},
    {"kind": "adaptive", "kernel": (1, 1)},
    {"kind": "adaptive", "kernel": (3, 2)},
    {"kind": "pick", "stride": (2, 2), "before": 5},
    {"kind": "affine", "weighs": True, "relu": True},
    {"kind": "affine", "adds": True, "relu": True},
]


@pytest.fixture(params=[each.name for each in SETS])
def instructions(request: pytest.FixtureRequest) -> str:
    if request.param not in usable():
        pytest.skip(f"this processor has no {request.param}")
    return str(request.param)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def to_logits(steps: Sequence[Step], channels: int) -> Steps:
    """The steps, then a mean and a linear layer."""
    last = steps[-1]
    mean = Step(kind="adaptive", reads=last.makes, makes=98, channels=last.channels)
    linear = Step(kind="convolution", reads=98, makes=99, channels=3, weight=drawn(9, 3, last.channels, 1, 1))
    return Steps((*steps, mean, linear), channels, 99)


def convolution(case: Sequence[Any], reads: int, makes: int, **settings: Any) -> Step:
    inputs, outputs, kernel, stride, padding, dilation, groups, _, _ = case
    weight, bias = drawn(makes, outputs, inputs // groups, *kernel), drawn(makes + 50, outputs)
    form = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Step(
        kind="convolution", reads=reads, makes=makes, channels=outputs, weight=weight, bias=bias, **form, **settings
    )


def agree(
    steps: Steps, pixels: Tensor, dtype: torch.dtype, error: float, instructions: str, patch: pytest.MonkeyPatch
) -> None:
    """Each step has computed what torch computes of the inputs that the step has read."""
    made = maps_made(steps, pixels, dtype, instructions, patch)
    first = pixels.to(dtype).double()
    assert torch.equal(made[0], first)
    for step in steps.steps:
        one = Steps((step,), steps.channels, step.makes)  # its output is not rounded
        given = {value: made[value] for value in (step.reads, step.other) if value is not None}
        expected = values_of(one, pixels, dtype, given)[step.makes]
        found = made[step.makes]
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= error * expected.abs().max(), step.kind


@pytest.mark.parametrize(("dtype", "error"), TYPES)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_convolution(
    case: Sequence[Any], dtype: torch.dtype, error: float, instructions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the first layer and as a later one; plain, and with a ReLU and a sum."""
    inputs, outputs, *_, height, width = case
    one = (inputs, inputs, (1, 1), (1, 1), (0, 0), (1, 1), 1, 0, 0)
    steps = [
        convolution(one, 0, 1),
        convolution(case, 1, 2, relu=True),
        convolution(case, 0, 3),
        convolution(case, 1, 4, other=3),
    ]
    ends = [Step(kind="affine", reads=4, makes=5, channels=outputs, other=2, relu=True)]
    pixels = drawn(7, 2, inputs, height, width)
    agree(to_logits([*steps, *ends], inputs), pixels, dtype, error, instructions, monkeypatch)


@pytest.mark.parametrize(("dtype", "error"), TYPES)
@pytest.mark.parametrize("case", POOLS, ids=[str(case["kind"]) for case in POOLS])
def test_what_stands_between(
    case: dict[str, Any], dtype: torch.dtype, error: float, instructions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = dict(case)
    channels = 37 + (form["kind"] == "pick") * 9
    if form.pop("weighs", False):
        form |= {"weight": drawn(1, 37), "bias": drawn(2, 37)}
    if form.pop("adds", False):
        form["other"] = 2
    one = (37, 37, (1, 1), (1, 1), (0, 0), (1, 1), 1, 0, 0)
    steps = [convolution(one, 0, 1), convolution(one, 0, 2), Step(reads=1, makes=3, channels=channels, **form)]
    agree(to_logits(steps, 37), drawn(3, 2, 37, 11, 8), dtype, error, instructions, monkeypatch)


@pytest.mark.parametrize("dtype", [dtype for dtype, _ in TYPES])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("case", [case for case in CONVOLUTIONS if case[2] != (5, 5)])
def test_values_that_are_no_numbers(
    case: Sequence[Any], value: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One such value makes the same outputs NaN or infinite as in torch, through a ReLU and a max pool too."""
    inputs, outputs, *_, height, width = case
    pixels = drawn(7, 1, inputs, height, width)
    pixels[0, inputs // 2, height // 2, width - 1] = value
    pool = Step(kind="max", reads=1, makes=2, channels=outputs, kernel=(2, 2), stride=(2, 2), ceil=True)
    steps = to_logits([convolution(case, 0, 1, relu=True), pool], inputs)
    made = maps_made(steps, pixels, dtype, next(iter(usable())), monkeypatch)
    expected = values_of(steps, pixels, dtype)
    for number in (1, 2):
        for same in (torch.isnan, torch.isinf):
            assert torch.equal(same(made[number]), same(expected[number]))
    assert not expected[1].isfinite().all()


def test_which_kernels() -> None:
    """The cases reach every kernel for convolutions, in both types."""
    for dtype, _ in TYPES:
        used = {
            work.kernel
            for case in CONVOLUTIONS
            for work in works_of(to_logits([convolution(case, 0, 1)], case[0]), dtype, True)
        }
        assert used == {"dense", "lanewise", "any", "adaptive"} | ({"windows"} if dtype == torch.bfloat16 else set())
