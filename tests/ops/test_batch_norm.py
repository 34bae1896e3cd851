"""BatchNorm with a sum and a ReLU as one operator: against float64, for each instruction set of this processor."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.ops import batch_norm as room
from cardinet.ops.batch_norm import batch_norm, has_kernel
from cardinet.ops.compiled import library
from cardinet.ops.instruction_sets import SETS, usable

LAST = torch.channels_last
EPS = 1e-5

SHAPES = [(2, 64, 9, 7), (3, 17, 5, 5), (5, 3, 3, 2), (4, 1, 33, 31), (1, 63, 6, 11), (2, 160, 20, 20), (7, 96, 1, 1)]
"""Full and part vectors of channels, one picture, odd sizes, more than one piece of rows, maps of one pixel."""

FORMS = [(relu, adds) for relu in (False, True) for adds in (False, True)]

TYPES = [(torch.float32, 1e-5), (torch.bfloat16, 2**-8)]
"""The types of the kernels, with the largest error as a share of the largest value: half a step of bfloat16."""


def test_sets_of_instructions() -> None:
    names = [each.name for each in SETS]
    assert names == ["avx512_bf16", "avx512", "avx2", "portable"]
    assert list(usable()) == [name for name in names if name in usable()]
    assert "portable" in usable()


@pytest.fixture(params=[each.name for each in SETS])
def own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ctypes.CDLL:
    """The kernels for an instruction set, which the operator then uses."""
    if request.param not in usable():
        pytest.skip(f"this processor has no {request.param}")
    functions = library(request.param)
    monkeypatch.setattr(room, "kernels", lambda: functions)
    return functions


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def drawn(shape: tuple[int, ...], dtype: torch.dtype, adds: bool, seed: int = 0) -> tuple[Tensor, ...]:
    """x, weight, bias, dy, and the other summand or nothing."""
    make = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=make) * (torch.rand(shape[1], 1, 1, generator=make) + 0.5) + 3
    dy, other = (torch.randn(shape, generator=make) for _ in range(2))
    weight, bias = torch.rand(shape[1], generator=make) + 0.5, torch.randn(shape[1], generator=make)
    maps = [each.to(dtype).contiguous(memory_format=LAST) for each in (x, dy, other)]
    return maps[0], weight, bias, maps[1], *(maps[2:] if adds else ())


def gradients(y: Tensor, dy: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return [y.detach(), *torch.autograd.grad(y, inputs, dy)]


def results(x: Tensor, weight: Tensor, bias: Tensor, dy: Tensor, other: Tensor | None, relu: bool) -> list[Tensor]:
    """y and the gradients of x, weight, bias (and other), by the operator."""
    inputs = [each.clone().requires_grad_() for each in (x, weight, bias, other) if each is not None]
    summand = inputs[3] if other is not None else None
    y, _, _ = batch_norm(inputs[0], inputs[1], inputs[2], EPS, other=summand, relu=relu)
    return gradients(y, dy, inputs)


def expected(x: Tensor, weight: Tensor, bias: Tensor, dy: Tensor, other: Tensor | None, relu: bool) -> list[Tensor]:
    """The same by torch in float64."""
    inputs = [each.double().requires_grad_() for each in (x, weight, bias, other) if each is not None]
    y = F.batch_norm(inputs[0], None, None, inputs[1], inputs[2], True, 0.1, EPS)
    y = y if other is None else y + inputs[3]
    return gradients(y.relu() if relu else y, dy.double(), inputs)


def far(found: list[Tensor], wanted: list[Tensor], share: float) -> list[tuple[int, float]]:
    """The places at which values differ by more than a share of the largest value."""
    pairs = [(a.double(), b) for a, b in zip(found, wanted, strict=True)]
    errors = [((a - b).abs().max() / b.abs().max().clamp_min(1)).item() for a, b in pairs]
    return [(i, error) for i, error in enumerate(errors) if not error <= share]


def test_against_float64(own: ctypes.CDLL) -> None:
    count = 0
    for dtype, share in TYPES:
        for shape in SHAPES:
            for relu, adds in FORMS:
                x, weight, bias, dy, *rest = drawn(shape, dtype, adds)
                other = rest[0] if adds else None
                assert has_kernel(x, weight, bias, other)
                before = expected(x, weight, bias, dy, other, False)[0]
                dy = dy * (before.abs() > 1e-4)  # nearer to 0 rounding decides whether the ReLU lets a gradient pass
                wanted = expected(x, weight, bias, dy, other, relu)
                found = results(x, weight, bias, dy, other, relu)
                types = [dtype, dtype, torch.float32, torch.float32, dtype]
                assert [each.dtype for each in found] == types[: len(found)]
                assert far(found, wanted, share) == [], (dtype, shape, relu, adds)
                count += 1
    assert count == len(TYPES) * len(SHAPES) * len(FORMS) == 56


def test_statistics_keep_their_digits_beside_a_large_mean(own: ctypes.CDLL) -> None:
    x = (torch.randn(4, 24, 30, 30, generator=torch.Generator().manual_seed(1)) + 1000).contiguous(memory_format=LAST)
    _, mean, variance = batch_norm(x, None, None, EPS, relu=False)
    exact, centre = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close(mean.double(), centre, rtol=1e-7, atol=0)
    torch.testing.assert_close(variance.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bits_do_not_depend_on_threads_or_on_the_run(own: ctypes.CDLL, dtype: torch.dtype) -> None:
    found = []
    for threads in (1, 2, 2, 3):
        torch.set_num_threads(threads)
        x, weight, bias, dy, other = drawn((8, 48, 40, 41), dtype, True)
        found.append(results(x, weight, bias, dy, other, True))
    for again in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], again, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_goes_on(own: ctypes.CDLL, value: float) -> None:
    for dtype, _ in TYPES:
        for adds in (False, True):
            x, weight, bias, dy, *rest = drawn((2, 20, 5, 5), dtype, adds)
            x[1, 18, 2, 3] = value
            y, dx, dweight, _, *_ = results(x, weight, bias, dy, rest[0] if adds else None, True)
            assert y[:, 18].isnan().all()
            assert dx[:, 18].isnan().all()
            assert dweight[18].isnan()
            others = [i for i in range(20) if i != 18]
            assert y[:, others].isfinite().all()
            assert dx[:, others].isfinite().all()
            if adds:  # in what is added, a NaN is only one element, and passes the ReLU with its gradient
                x, weight, bias, dy, other = drawn((2, 20, 5, 5), dtype, True)
                other[0, 3, 1, 1] = value
                y = results(x, weight, bias, dy, other, True)[0]
                assert torch.equal(y[0, 3, 1, 1], torch.tensor(value, dtype=dtype).relu()) or y[0, 3, 1, 1].isnan()
                assert y.isfinite().sum() >= y.numel() - 1


@pytest.mark.parametrize(("relu", "adds"), FORMS)
def test_the_reference_has_the_gradients_of_its_function(relu: bool, adds: bool) -> None:
    make = torch.Generator().manual_seed(3)
    x, other = (torch.randn(3, 5, 4, 2, dtype=torch.float64, generator=make).requires_grad_() for _ in range(2))
    weight, bias = (torch.rand(5, dtype=torch.float64, generator=make).requires_grad_() for _ in range(2))

    def function(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor) -> Tensor:
        return batch_norm(x, weight, bias, EPS, other=other if adds else None, relu=relu)[0]

    assert torch.autograd.gradcheck(function, (x, weight, bias, other))
    assert torch.autograd.gradcheck(lambda x: batch_norm(x, None, None, EPS, relu=relu)[0], (x,))


def test_other_layouts_and_types_are_composed_of_torch() -> None:
    x, weight, bias, dy, other = drawn((3, 17, 6, 5), torch.float32, True)
    wanted = expected(x, weight, bias, dy, other, True)
    wide = torch.randn(3, 34, 6, 5)[:, ::2].copy_(x)  # not contiguous in any layout
    forms = {"nchw": x.contiguous(), "strided": wide, "float64": x.double(), "float16": x.half()}
    for name, form in forms.items():
        kind = torch.float64 if name == "float64" else torch.float32
        vectors = (weight.to(kind), bias.to(kind))
        assert not has_kernel(form, *vectors, None), name
        found = results(form, *vectors, dy.to(form.dtype), other.to(form.dtype), True)
        assert far(found, wanted, 2e-3 if name == "float16" else 1e-5) == [], name
    assert not has_kernel(x, weight, bias, other.contiguous())
    assert not has_kernel(x, weight.double(), bias.double(), other)
    assert not has_kernel(x[:0], weight, bias, None)


def test_gradients_in_another_layout(own: ctypes.CDLL) -> None:
    x, weight, bias, dy, other = drawn((3, 17, 6, 5), torch.float32, True)
    for form in (dy.contiguous(), torch.ones(1, 17, 1, 1).expand_as(x)):
        assert (
            far(results(x, weight, bias, form, other, True), expected(x, weight, bias, form, other, True), 1e-5) == []
        )


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # from opcheck itself
def test_torch_may_trace_and_check_the_operator() -> None:
    x, weight, bias, _, other = drawn((2, 20, 5, 5), torch.float32, True)
    inputs = [each.requires_grad_() for each in (x, weight, bias, other)]
    for added in (inputs[3], None):
        torch.library.opcheck(torch.ops.cardinet.batch_norm.default, (*inputs[:3], added, EPS, True))
    torch.library.opcheck(torch.ops.cardinet.batch_norm.default, (x.detach(), None, None, None, EPS, False))
    with torch.autocast("cpu", torch.bfloat16):
        assert batch_norm(x.bfloat16(), weight, bias, EPS, other=other.bfloat16(), relu=True)[0].dtype == torch.bfloat16
    with torch.no_grad():
        assert not batch_norm(x, weight, bias, EPS, relu=True)[0].requires_grad
