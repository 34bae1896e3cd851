"""The operator of a grouped 3x3 convolution, composed of torch's: its contract, its gradients, and what is chosen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from cardinet.ops import gpu_choice
from cardinet.ops.gpu_choice import DIRECTIONS, Case, Form, Table
from cardinet.ops.grouped_conv import chosen, form_of, grouped_conv3x3, takes

LAST = torch.channels_last

SHAPES = [(1, 32, 7, 7, 4, 1), (2, 32, 7, 7, 4, 2), (1, 32, 6, 9, 8, 2), (2, 48, 5, 4, 16, 1), (1, 64, 7, 5, 32, 2)]
"""N, C, H, W, the channels of a group, the stride: one picture, odd and even sizes, 48 channels in tiles of 16."""

MORE = [
    (1, 24, 5, 6, 4, 2), (2, 40, 8, 8, 8, 1), (3, 16, 1, 1, 16, 1), (1, 32, 1, 9, 4, 2), (1, 96, 9, 3, 32, 1),
    (1, 6, 7, 7, 1, 1), (1, 6, 7, 8, 2, 2), (1, 128, 5, 5, 64, 1), (2, 64, 14, 14, 16, 1), (1, 64, 15, 15, 32, 2),
]  # fmt: skip
"""Channels that are no multiple of a tile, maps of one row or pixel, other widths of a group, several tiles."""


def drawn(
    shape: tuple[int, ...], dtype: torch.dtype = torch.float32, layout: torch.memory_format = LAST
) -> tuple[Tensor, ...]:
    """x, weight and dy, with values that bfloat16 holds, so that its products are exact in float32."""
    n, channels, height, width, of, stride = shape
    make = torch.Generator().manual_seed(0)
    out = ((height - 1) // stride + 1, (width - 1) // stride + 1)
    sizes = ((n, channels, height, width), (channels, of, 3, 3), (n, channels, *out))
    maps = (torch.randn(size, generator=make).bfloat16().to(dtype) for size in sizes)
    x, weight, dy = (each.contiguous(memory_format=layout) for each in maps)
    return x, weight, dy


def results(x: Tensor, weight: Tensor, dy: Tensor, stride: int) -> list[Tensor]:
    """y and the gradients of x and weight."""
    inputs = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
    y = grouped_conv3x3(inputs[0], inputs[1], stride)
    return [y.detach(), *torch.autograd.grad(y, inputs, dy)]


def expected(x: Tensor, weight: Tensor, dy: Tensor, stride: int) -> list[Tensor]:
    """The same by torch in float64."""
    inputs = [each.double().requires_grad_() for each in (x, weight)]
    y = F.conv2d(inputs[0], inputs[1], None, stride, 1, 1, x.shape[1] // weight.shape[1])
    return [y.detach(), *torch.autograd.grad(y, inputs, dy.double())]


def errors(found: list[Tensor], wanted: list[Tensor]) -> list[float]:
    """The largest errors as shares of the largest values."""
    return [((a.double() - b).abs().max() / b.abs().max()).item() for a, b in zip(found, wanted, strict=True)]


def test_against_float64_in_both_layouts() -> None:
    cases = list(itertools.product(SHAPES + MORE, (LAST, torch.contiguous_format)))
    for shape, layout in cases:
        x, weight, dy = drawn(shape, layout=layout)
        found = results(x, weight, dy, shape[-1])
        assert max(errors(found, expected(x, weight, dy, shape[-1]))) < 1e-5, (shape, layout)
        assert all(each.is_contiguous(memory_format=LAST) for each in found[:2])
        assert found[2].stride() == weight.stride()
    assert len(cases) == 30


def test_gradients_that_nobody_needs_are_not_computed() -> None:
    x, weight, dy = drawn(SHAPES[0])
    for needs in ((True, False), (False, True)):
        inputs = [each.clone().requires_grad_(need) for each, need in zip((x, weight), needs, strict=True)]
        grouped_conv3x3(inputs[0], inputs[1], 1).backward(dy)
        assert [each.grad is not None for each in inputs] == list(needs)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_the_function(stride: int) -> None:
    make = torch.Generator().manual_seed(3)
    x, weight = (
        torch.randn(size, dtype=torch.float64, generator=make).requires_grad_() for size in ((1, 4, 3, 4), (4, 2, 3, 3))
    )
    assert torch.autograd.gradcheck(lambda x, weight: grouped_conv3x3(x, weight, stride), (x, weight))


def test_autocast_gives_its_type() -> None:
    x, weight, dy = drawn(SHAPES[0])
    with torch.autocast("cpu", torch.bfloat16):
        found = results(x, weight, dy.bfloat16(), 1)
    assert [each.dtype for each in found] == [torch.bfloat16, torch.float32, torch.float32]
    assert max(errors(found, expected(x, weight, dy, 1))) < 2**-7


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # from opcheck itself
def test_torch_may_trace_and_check_the_operators() -> None:
    for shape in SHAPES[:2]:
        x, weight, dy = drawn(shape)
        stride = shape[-1]
        inputs = (x.requires_grad_(), weight.requires_grad_(), stride)
        torch.library.opcheck(torch.ops.cardinet.grouped_conv3x3.default, inputs)
        x, weight = x.detach(), weight.detach()
        torch.library.opcheck(
            torch.ops.cardinet.grouped_conv3x3_input_gradient.default, (dy, weight, stride, *x.shape[2:])
        )
        torch.library.opcheck(torch.ops.cardinet.grouped_conv3x3_weight_gradient.default, (dy, x, weight, stride))


@pytest.mark.long
def test_it_compiles_and_is_exported_as_one_graph() -> None:
    x, weight, dy = drawn(SHAPES[1])

    def function(x: Tensor, weight: Tensor) -> Tensor:
        return grouped_conv3x3(x, weight, 2).relu()

    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    found = []
    for each in (function, compiled):
        inputs = [value.clone().requires_grad_() for value in (x, weight)]
        y = each(*inputs)
        found.append([y, *torch.autograd.grad(y, inputs, dy)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))

    class Layer(torch.nn.Module):
        def forward(self, x: Tensor, weight: Tensor) -> Tensor:
            return function(x, weight)

    program = torch.export.export(Layer(), (x, weight))
    targets = [str(node.target) for node in program.graph.nodes]
    assert targets.count("cardinet.grouped_conv3x3.default") == 1
    assert torch.equal(program.module()(x, weight), function(x, weight))


ROW: dict[str, Any] = {
    "gpu": "cpu", "direction": "forward", "dtype": "float32", "shape": (1, 32, 7, 7), "groups": 8, "stride": 1,
    "form": {"pixels": 32}, "own_ms": 1.0, "cudnn_ms": 2.0,
}  # fmt: skip


def test_the_table_has_no_rows_that_nobody_measured() -> None:
    table = Table.model_validate_json(gpu_choice.TABLE.read_bytes())
    assert (table.rows == ()) == (table.measured_with == "")
    assert gpu_choice.forms() == table.faster()


def test_the_table_chooses_a_direction_of_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table.model_validate({"rows": [ROW, ROW | {"direction": "weight gradient", "own_ms": 2.0}]})
    assert Table.model_validate_json(table.model_dump_json()) == table
    assert table.faster() == {Case("cpu", "forward", "float32", (1, 32, 7, 7), 8, 1): Form(pixels=32)}
    x, weight, _ = drawn(SHAPES[0])
    assert not chosen(x, weight, 1)
    monkeypatch.setattr(gpu_choice, "forms", table.faster)
    monkeypatch.setattr("cardinet.ops.grouped_conv.has_triton", lambda: True)
    assert chosen(x, weight, 1)
    found = [form_of(each, x.device, x.dtype, x.shape, weight.shape, 1) for each in DIRECTIONS]
    assert found == [Form(pixels=32), None, None]
    with torch.autocast("cpu", torch.bfloat16):
        assert not chosen(x, weight, 1)
    assert not chosen(x, weight, 2)
    assert not chosen(x[:, :, 1:], weight, 1)
    assert not chosen(x.bfloat16(), weight.bfloat16(), 1)
    for wrong in ({"own_ms": -1.0}, {"direction": "sideways"}, {"form": {"pixels": 17}}, {"shape": (1, 32, 7)}):
        with pytest.raises(ValidationError):
            Table.model_validate({"rows": [ROW | wrong]})


def test_what_the_kernels_take() -> None:
    dtype, shape, of = torch.float32, torch.Size((1, 32, 7, 7)), torch.Size((32, 4, 3, 3))
    assert takes(dtype, shape, of, 1)
    assert not takes(dtype, shape, of, 3)
    assert not takes(torch.float64, shape, of, 1)
    assert not takes(dtype, torch.Size((0, 32, 7, 7)), of, 1)
    for wrong in ((32, 3, 3, 3), (32, 4, 3, 1), (16, 4, 3, 3), (32, 128, 3, 3)):
        assert not takes(dtype, shape, torch.Size(wrong), 1)
