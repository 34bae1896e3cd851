"""Triton's kernels for grouped 3x3 convolutions, in each direction: against float64, in every type."""

from __future__ import annotations

import pytest
import torch

from cardinet.ops import grouped_conv, triton_grouped_conv
from cardinet.ops.gpu_choice import Form
from cardinet.ops.grouped_conv import takes
from ops.test_grouped_conv import LAST, MORE, SHAPES, drawn, errors, expected, results

TYPES = [(torch.float32, 1e-5), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)]
"""The types of the kernels, with the largest error as a share of the largest value: half a step of the narrow ones."""

STARTED = ["forward", "input_gradient", "weight_gradient"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directions whose own kernels are started, which is all of them, in programs of 32 positions."""
    calls: list[str] = []
    monkeypatch.setattr(grouped_conv, "form_of", lambda *_: Form(pixels=32))
    for name in STARTED:
        start = getattr(triton_grouped_conv, name)

        def noting(*given: object, name: str = name, start: object = start) -> object:
            calls.append(name)
            assert callable(start)
            return start(*given)

        monkeypatch.setattr(triton_grouped_conv, name, noting)
    return calls


@pytest.mark.parametrize("shapes", [SHAPES[1:4], pytest.param(SHAPES + MORE, marks=pytest.mark.long)], ids=len)
@pytest.mark.parametrize(("dtype", "share"), TYPES, ids=str)
def test_against_float64(dtype: torch.dtype, share: float, shapes: list[tuple[int, ...]], started: list[str]) -> None:
    for shape in shapes:
        x, weight, dy = drawn(shape, dtype)
        assert takes(dtype, x.shape, weight.shape, shape[-1])
        found = results(x, weight, dy, shape[-1])
        assert [each.dtype for each in found] == [dtype] * 3
        assert all(each.is_contiguous(memory_format=LAST) for each in found)
        assert max(errors(found, expected(x, weight, dy, shape[-1]))) < share, shape
    assert started == STARTED * len(shapes)
    assert len(started) in (9, 45)


@pytest.mark.parametrize("programs", [1, 12])
def test_weight_gradients_of_one_and_of_many_pieces(
    programs: int, monkeypatch: pytest.MonkeyPatch, started: list[str]
) -> None:
    monkeypatch.setattr(triton_grouped_conv, "PROGRAMS", programs)
    x, weight, dy = drawn((3, 32, 7, 7, 8, 1))
    assert max(errors(results(x, weight, dy, 1), expected(x, weight, dy, 1))) < 1e-5
    assert started == STARTED


def test_other_layouts_and_the_same_bits_twice(started: list[str]) -> None:
    for dtype, layout in ((torch.float32, torch.contiguous_format), (torch.bfloat16, LAST)):
        x, weight, dy = drawn((2, 32, 7, 5, 4, 2), dtype, layout)
        once, again = (results(x, weight, dy, 2) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
        assert max(errors(once, expected(x, weight, dy, 2))) < 2**-8
        assert once[2].stride() == weight.stride()
    assert started == STARTED * 4


def test_autocast(started: list[str]) -> None:
    x, weight, dy = drawn(SHAPES[0])
    with torch.autocast("cpu", torch.bfloat16):
        found = results(x, weight, dy.bfloat16(), 1)
    assert [each.dtype for each in found] == [torch.bfloat16, torch.float32, torch.float32]
    assert max(errors(found, expected(x, weight, dy, 1))) < 2**-8
    assert started == STARTED


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy computes for the interpreter
def test_what_is_not_finite_reaches_the_groups_of_its_tile_and_no_others(started: list[str]) -> None:
    """A zero of the block-diagonal matrix times infinity is NaN: in its tile, where torch has it in its group alone."""
    x, weight, _ = drawn((1, 32, 7, 7, 4, 1))
    x[0, 9, 3, 3] = float("inf")
    y = grouped_conv.grouped_conv3x3(x, weight, 1)
    wanted = torch.nn.functional.conv2d(x, weight, None, 1, 1, 1, 8)
    touched = torch.zeros_like(y, dtype=torch.bool)
    touched[0, :16, 2:5, 2:5] = True
    assert torch.equal(y.isfinite(), ~touched)
    assert wanted[~touched].isfinite().all()
    assert not wanted[0, 8:12, 2:5, 2:5].isfinite().any()
