"""A grouped 3x3 convolution (padding 1, stride 1 or 2, as many channels out as in) as an operator of torch.

`cardinet::grouped_conv3x3` and its two gradients are composed of torch's operators, on a GPU of cuDNN's. For what the
table of `gpu_choice.py` names, each direction by itself, a GPU takes the kernels of `triton_grouped_conv.py` instead.
torch.compile sees three opaque operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cardinet.ops import gpu_choice
from cardinet.ops.gpu_choice import DIRECTIONS, Case, Direction, Form
from cardinet.ops.triton_launch import has_triton

LAST = torch.channels_last

TYPES = (torch.float32, torch.bfloat16, torch.float16)

WIDTHS = (1, 2, 4, 8, 16, 32, 64)
"""The channels of a group that the kernels take."""

torch.library.define("cardinet::grouped_conv3x3", "(Tensor x, Tensor weight, int stride) -> Tensor")
torch.library.define(
    "cardinet::grouped_conv3x3_input_gradient",
    "(Tensor dy, Tensor weight, int stride, SymInt height, SymInt width) -> Tensor",
)
torch.library.define(
    "cardinet::grouped_conv3x3_weight_gradient", "(Tensor dy, Tensor x, Tensor weight, int stride) -> Tensor"
)


def grouped_conv3x3(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """(N, C, H', W') in channels_last, of x (N, C, H, W) and weight (C, C / groups, 3, 3), with padding 1.

    Under autocast it computes in autocast's type, as torch's convolutions do.
    """
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        x, weight = x.to(dtype), weight.to(dtype)
    y: Tensor = torch.ops.cardinet.grouped_conv3x3(x, weight, stride)
    return y


def chosen(x: Tensor, weight: Tensor, stride: int) -> bool:
    """Whether own kernels are chosen for at least one direction of `grouped_conv3x3(x, weight, stride)`."""
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    given = (x.device, dtype, x.shape, weight.shape, stride)
    return any(form_of(direction, *given) is not None for direction in DIRECTIONS)


def form_of(
    direction: Direction,
    device: torch.device,
    dtype: torch.dtype,
    shape: torch.Size,
    weight_shape: torch.Size,
    stride: int,
) -> Form | None:
    """The form of the own kernel for an input of this shape; None: cuDNN."""
    known = gpu_choice.forms()
    if not known or not has_triton() or not takes(dtype, shape, weight_shape, stride):
        return None
    name, groups = str(dtype).removeprefix("torch."), weight_shape[0] // weight_shape[1]
    return known.get(Case(gpu_choice.gpu_name(device), direction, name, tuple(shape), groups, stride))


def takes(dtype: torch.dtype, shape: torch.Size, weight_shape: torch.Size, stride: int) -> bool:
    """Whether the kernels can compute a convolution of an input of this shape, and its gradients."""
    return (
        dtype in TYPES
        and len(shape) == len(weight_shape) == 4
        and shape[1] == weight_shape[0]
        and shape[1] % weight_shape[1] == 0
        and weight_shape[1] in WIDTHS
        and weight_shape[2:] == (3, 3)
        and stride in (1, 2)
        and shape.numel() > 0
    )


def _form(direction: Direction, given: Tensor, shape: torch.Size, weight: Tensor, stride: int) -> Form | None:
    if given.dtype != weight.dtype:  # torch says so
        return None
    return form_of(direction, given.device, given.dtype, shape, weight.shape, stride)


def _precision() -> str:
    """How products of float32 are computed, as cuDNN does by torch's setting."""
    conv = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    return "tf32" if conv.fp32_precision == "tf32" else "ieee"


def _fake(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    n, channels, height, width = x.shape
    shape = (n, channels, (height - 1) // stride + 1, (width - 1) // stride + 1)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=LAST)


def _fake_input_gradient(dy: Tensor, weight: Tensor, stride: int, height: int, width: int) -> Tensor:
    shape = (*dy.shape[:2], height, width)
    return torch.empty(shape, dtype=dy.dtype, device=dy.device, memory_format=LAST)


def _fake_weight_gradient(dy: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return torch.empty_like(weight)


def reference(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The operator, by torch's."""
    groups = len(weight) // weight.shape[1]
    y = torch.nn.functional.conv2d(x.contiguous(memory_format=LAST), weight, None, stride, 1, 1, groups)
    return y.contiguous(memory_format=LAST)


def _gradient(dy: Tensor, x: Tensor, weight: Tensor, stride: int, which: int) -> Tensor:
    groups = len(weight) // weight.shape[1]
    wanted = [place == which for place in range(3)]
    maps = (each.contiguous(memory_format=LAST) for each in (dy, x))
    found: Tensor = torch.ops.aten.convolution_backward(
        *maps, weight, None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], groups, wanted
    )[which]
    return found


def reference_input_gradient(dy: Tensor, weight: Tensor, stride: int, height: int, width: int) -> Tensor:
    """The gradient of x, by torch's operators, which read no value of x."""
    made = _fake_input_gradient(dy, weight, stride, height, width)
    return _gradient(dy, made, weight, stride, 0).contiguous(memory_format=LAST)


def reference_weight_gradient(dy: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The gradient of the weight, by torch's operators, in the layout of the weight."""
    return _laid_as(weight, _gradient(dy, x, weight, stride, 1))


def _laid_as(weight: Tensor, gradient: Tensor) -> Tensor:
    made = torch.empty_like(weight)
    return gradient if gradient.stride() == made.stride() and gradient.dtype == made.dtype else made.copy_(gradient)


def _cuda(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    form = _form("forward", x, x.shape, weight, stride)
    if form is None:
        return reference(x, weight, stride)
    from cardinet.ops import triton_grouped_conv

    made = _fake(x, weight, stride)
    triton_grouped_conv.forward(x.contiguous(memory_format=LAST), weight, stride, _precision(), form, made)
    return made


def _cuda_input_gradient(dy: Tensor, weight: Tensor, stride: int, height: int, width: int) -> Tensor:
    made = _fake_input_gradient(dy, weight, stride, height, width)
    form = _form("input gradient", dy, made.shape, weight, stride)
    if form is None:
        return reference_input_gradient(dy, weight, stride, height, width)
    from cardinet.ops import triton_grouped_conv

    laid = dy.contiguous(memory_format=LAST)
    triton_grouped_conv.input_gradient(laid, weight, stride, _precision(), form, made)
    return made


def _cuda_weight_gradient(dy: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    form = _form("weight gradient", x, x.shape, weight, stride)
    if form is None:
        return reference_weight_gradient(dy, x, weight, stride)
    from cardinet.ops import triton_grouped_conv

    dy, x = (each.contiguous(memory_format=LAST) for each in (dy, x))
    found = triton_grouped_conv.weight_gradient(dy, x, weight, stride, _precision(), form)
    return _laid_as(weight, found)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, stride = inputs
    ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
    ctx.stride, ctx.sizes = stride, x.shape[2:]


def _backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    x, weight = ctx.saved_tensors
    operators, found = torch.ops.cardinet, [None, None]
    if ctx.needs_input_grad[0]:
        found[0] = operators.grouped_conv3x3_input_gradient(dy, weight, ctx.stride, *ctx.sizes)
    if ctx.needs_input_grad[1]:
        found[1] = operators.grouped_conv3x3_weight_gradient(dy, x, weight, ctx.stride)
    return found[0], found[1], None


OPERATORS: dict[str, tuple[Callable[..., Tensor], ...]] = {
    "cardinet::grouped_conv3x3": (reference, _cuda, _fake),
    "cardinet::grouped_conv3x3_input_gradient": (reference_input_gradient, _cuda_input_gradient, _fake_input_gradient),
    "cardinet::grouped_conv3x3_weight_gradient": (
        reference_weight_gradient,
        _cuda_weight_gradient,
        _fake_weight_gradient,
    ),
}
"""Composed of torch's operators, on a GPU, and without values."""

for _name, (_composed, _on_gpu, _shapes) in OPERATORS.items():
    torch.library.impl(_name, "CompositeExplicitAutograd", _composed)
    torch.library.impl(_name, "CUDA", _on_gpu)
    torch.library.register_fake(_name, _shapes)
torch.library.register_autograd("cardinet::grouped_conv3x3", _backward, setup_context=_setup)
