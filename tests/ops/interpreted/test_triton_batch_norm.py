"""Triton's kernels for BN with a sum and a ReLU: against float64, in both layouts and every type."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cardinet.blocks.joined_norm import join_norms
from cardinet.build.builder import build
from cardinet.ops import triton_batch_norm
from cardinet.ops.batch_norm import batch_norm, has_kernel
from networks.small_networks import small
from networks.test_joined_norm import distance, worst
from networks.test_recomputation import pictures, step
from ops.test_batch_norm import EPS, FORMS, LAST, drawn, expected, far, results

SHAPES = [(2, 64, 9, 7), (3, 17, 5, 5), (1, 3, 3, 2), (2, 1, 33, 31), (1, 63, 7, 7), (2, 160, 7, 5), (7, 96, 1, 1)]
"""Full and part tiles of channels, one picture, odd sizes, several tiles of positions, maps of one pixel."""

TYPES = [(torch.float32, 1e-5), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)]
"""The types of the kernels, with the largest error as a share of the largest value: half a step of the narrow ones."""

LAYOUTS = (LAST, torch.contiguous_format)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels' names as they are started: that the operator is composed of torch would be seen here."""
    calls: list[str] = []

    def noted(name: str, start: Callable[..., None]) -> Callable[..., None]:
        def noting(*given: object) -> None:
            calls.append(name)
            start(*given)

        return noting

    for name in ("forward", "backward"):
        monkeypatch.setattr(triton_batch_norm, name, noted(name, getattr(triton_batch_norm, name)))
    return calls


def laid(values: tuple[Tensor, ...], layout: torch.memory_format) -> list[Tensor]:
    return [each.contiguous(memory_format=layout) if each.dim() == 4 else each for each in values]


@pytest.mark.parametrize("shapes", [SHAPES[1:2], pytest.param(SHAPES, marks=pytest.mark.long)], ids=len)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(("dtype", "share"), TYPES, ids=str)
def test_against_float64(
    dtype: torch.dtype,
    share: float,
    layout: torch.memory_format,
    shapes: list[tuple[int, ...]],
    started: list[str],
) -> None:
    for shape in shapes:
        for relu, adds in FORMS:
            x, weight, bias, dy, *rest = laid(drawn(shape, dtype, adds), layout)
            other = rest[0] if adds else None
            assert has_kernel(x, weight, bias, other)
            before = expected(x, weight, bias, dy, other, False)[0]
            dy = dy * (before.abs() > 1e-4)  # nearer to 0 rounding decides whether the ReLU lets a gradient pass
            found = results(x, weight, bias, dy, other, relu)
            assert [each.dtype for each in found][:4] == [dtype, dtype, torch.float32, torch.float32]
            assert all(each.stride() == x.stride() for each in found[:2])
            assert far(found, expected(x, weight, bias, dy, other, relu), share) == [], (shape, relu, adds)
    assert started == ["forward", "backward"] * (len(shapes) * len(FORMS))
    assert len(started) in (8, 56)


@pytest.mark.parametrize("programs", [1, 6])
def test_sums_of_few_and_many_pieces(programs: int, monkeypatch: pytest.MonkeyPatch, started: list[str]) -> None:
    monkeypatch.setattr(triton_batch_norm, "PROGRAMS", programs)
    monkeypatch.setattr(triton_batch_norm, "TILE", 256)
    x, weight, bias, dy, other = drawn((2, 33, 11, 5), torch.float32, True)
    cut = triton_batch_norm._Cut(x)
    assert cut.pieces == (1 if programs == 1 else 6)
    dy = dy * (expected(x, weight, bias, dy, other, False)[0].abs() > 1e-4)
    wanted = expected(x, weight, bias, dy, other, True)
    assert far(results(x, weight, bias, dy, other, True), wanted, 1e-5) == []
    assert started == ["forward", "backward"]


def test_the_bits_repeat(started: list[str]) -> None:
    for layout in LAYOUTS:
        x, weight, bias, dy, other = laid(drawn((2, 48, 7, 11), torch.bfloat16, True), layout)
        once, again = (results(x, weight, bias, dy, other, True) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert len(started) == 8


def test_statistics_keep_their_digits_beside_a_large_mean() -> None:
    x = (torch.randn(4, 24, 20, 20, generator=torch.Generator().manual_seed(1)) + 1000).contiguous(memory_format=LAST)
    _, mean, variance = batch_norm(x, None, None, EPS, relu=False)
    exact, centre = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close(mean.double(), centre, rtol=1e-7, atol=0)
    torch.testing.assert_close(variance.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy computes for the interpreter
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_goes_on(value: float) -> None:
    for adds in (False, True):
        x, weight, bias, dy, *rest = drawn((2, 20, 5, 5), torch.float32, adds)
        x[1, 18, 2, 3] = value
        y, dx, dweight, _, *_ = results(x, weight, bias, dy, rest[0] if adds else None, True)
        others = [i for i in range(20) if i != 18]
        assert y[:, 18].isnan().all()
        assert dx[:, 18].isnan().all()
        assert dweight[18].isnan()
        assert y[:, others].isfinite().all()
        assert dx[:, others].isfinite().all()


def test_without_weights_and_with_gradients_in_another_layout(started: list[str]) -> None:
    x, weight, bias, dy, other = drawn((3, 17, 6, 5), torch.float32, True)
    ones, zeros = torch.ones(17), torch.zeros(17)
    plain = x.clone().requires_grad_()
    y, _, _ = batch_norm(plain, None, None, EPS, relu=True)
    far_from_0 = dy * (expected(x, ones, zeros, dy, None, False)[0].abs() > 1e-4)
    (dx,) = torch.autograd.grad(y, plain, far_from_0)
    assert far([y.detach(), dx], expected(x, ones, zeros, far_from_0, None, True)[:2], 1e-5) == []
    for form in (dy.contiguous(), torch.ones(1, 17, 1, 1).expand_as(x)):
        found, wanted = results(x, weight, bias, form, other, True), expected(x, weight, bias, form, other, True)
        assert far(found, wanted, 1e-5) == []
    assert len(started) == 6


def test_a_step_of_a_network(started: list[str]) -> None:
    torch.manual_seed(0)
    plain = build(small).train()
    joined = copy.deepcopy(plain)
    count = join_norms(joined)
    pixels, labels = pictures(small)
    found, again = step(joined, pixels, labels), step(plain, pixels, labels)
    exact = step(copy.deepcopy(plain).double(), pixels.double(), labels)
    assert worst(found, exact) <= 10 * worst(again, exact) + 1e-5
    assert distance(found, exact) < 0.1
    assert started == ["forward"] * count + ["backward"] * count
    assert count > 10


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # from opcheck itself
def test_torch_may_trace_and_check_the_operator() -> None:
    x, weight, bias, _, other = drawn((2, 20, 5, 5), torch.float32, True)
    inputs = [each.requires_grad_() for each in (x, weight, bias, other)]
    for added in (inputs[3], None):
        torch.library.opcheck(torch.ops.cardinet.batch_norm.default, (*inputs[:3], added, EPS, True))
    torch.library.opcheck(torch.ops.cardinet.batch_norm.default, (x.detach(), None, None, None, EPS, False))
