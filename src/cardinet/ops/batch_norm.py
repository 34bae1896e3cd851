"""BatchNorm in training as one operator, with a sum and a ReLU after it: y = relu( bn(x) + other ).

torch runs up to three operators there, which together pass over memory about twice as often. What the backward pass
needs to know of the ReLU is computed again from x; after a sum it is one bit an element, not the output.

`cardinet::batch_norm` and its backward work for every device and type. They run the kernels of this room for what
`TAKEN` names: on the CPU those in C++, on a GPU those in Triton (unmeasured). Else they are composed of torch's.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cardinet.base.errors import Notice
from cardinet.ops.compiled import call, kernels
from cardinet.ops.triton_launch import has_triton, hindrance

LANES = 16
"""The channels that share a word of bits."""

LAST = torch.channels_last


@dataclass(frozen=True)
class Taken:
    """The maps that the kernels for a kind of device take."""

    types: tuple[torch.dtype, ...]
    layouts: tuple[torch.memory_format, ...]


TAKEN = {
    "cpu": Taken((torch.float32, torch.bfloat16), (LAST,)),
    "cuda": Taken((torch.float32, torch.bfloat16, torch.float16), (LAST, torch.contiguous_format)),
}

torch.library.define(
    "cardinet::batch_norm",
    "(Tensor x, Tensor? weight, Tensor? bias, Tensor? other, float eps, bool relu)"
    " -> (Tensor y, Tensor mean, Tensor variance, Tensor rstd, Tensor bits)",
)
torch.library.define(
    "cardinet::batch_norm_backward",
    "(Tensor dy, Tensor x, Tensor? weight, Tensor? bias, Tensor mean, Tensor rstd, Tensor bits, bool relu)"
    " -> (Tensor dx, Tensor dother, Tensor dweight, Tensor dbias)",
)


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, *, other: Tensor | None = None, relu: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, mean, variance): y = weight * (x - mean) / sqrt(variance + eps) + bias, plus `other`, and its ReLU.

    x is (N, C, H, W), weight and bias are (C,). Mean and variance (the biased one) are those of each channel, in the
    type of the weight; no gradient passes through them. The gradient cannot be differentiated again.
    """
    y, mean, variance, _, _ = torch.ops.cardinet.batch_norm(x, weight, bias, other, eps, relu)
    return y, mean, variance


@functools.cache
def available(kind: str) -> bool:
    """Whether there are kernels for a kind of device ("cpu", "cuda"); if not, one Notice says why."""
    if kind == "cpu":
        return kernels() is not None
    reason = hindrance() if kind in TAKEN else f"there are none for {kind}"
    if reason is not None:
        warnings.warn(Notice(f"torch's own kernels are used, because {reason}."), stacklevel=2)
    return reason is None


def has_kernel(x: Tensor, weight: Tensor | None, bias: Tensor | None, other: Tensor | None) -> bool:
    """Whether the kernels of this room take these tensors."""
    taken, kind = _layout(x), x.device.type
    return (
        taken is not None
        and (kind != "cuda" or has_triton())
        and x.dtype in TAKEN[kind].types
        and x.numel() > 0
        and all(each is None or _plain(each) for each in (weight, bias))
        and (other is None or (other.dtype == x.dtype and other.shape == x.shape and _laid(other, taken)))
    )


def _layout(x: Tensor) -> torch.memory_format | None:
    """The layout in which kernels take x: the first one of `TAKEN` in which it lies."""
    layouts = TAKEN[x.device.type].layouts if x.device.type in TAKEN and x.dim() == 4 else ()
    return next((each for each in layouts if _laid(x, each)), None)


def _laid(x: Tensor, layout: torch.memory_format) -> bool:
    return x.is_contiguous(memory_format=layout)


def _plain(vector: Tensor) -> bool:
    return vector.dtype == torch.float32 and vector.is_contiguous()


def _words(channels: int) -> int:
    return -(-channels // LANES)


def _rows(x: Tensor) -> int:
    return x.numel() // x.shape[1]


def _statistics_type(x: Tensor, weight: Tensor | None) -> torch.dtype:
    if weight is not None:
        return weight.dtype
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _fake(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, other: Tensor | None, eps: float, relu: bool
) -> tuple[Tensor, ...]:
    mean, variance, rstd = (x.new_empty(x.shape[1], dtype=_statistics_type(x, weight)) for _ in range(3))
    rows = _rows(x) if relu and other is not None else 0
    return torch.empty_like(x), mean, variance, rstd, x.new_empty((rows, _words(x.shape[1])), dtype=torch.int16)


def _fake_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    bits: Tensor,
    relu: bool,
) -> tuple[Tensor, ...]:
    dother = torch.empty_like(x) if len(bits) else x.new_empty(0)
    return torch.empty_like(x), dother, torch.empty_like(mean), torch.empty_like(mean)


def reference(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, other: Tensor | None, eps: float, relu: bool
) -> tuple[Tensor, ...]:
    """The operator, composed of torch's."""
    wide = x.to(_statistics_type(x, weight))
    variance, mean = torch.var_mean(wide, (0, 2, 3), correction=0)
    rstd = (variance + eps).rsqrt()
    y = (wide - _channels(mean)) * _channels(_scale(rstd, weight))
    if bias is not None:
        y = y + _channels(bias)
    if other is not None:
        y = y + other
    bits = x.new_empty((0, _words(x.shape[1])), dtype=torch.int16)
    if relu:
        if other is not None:
            bits = _packed(~(y <= 0))
        y = y.relu()
    return torch.empty_like(x).copy_(y), mean, variance, rstd, bits


def reference_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    bits: Tensor,
    relu: bool,
) -> tuple[Tensor, ...]:
    """Its gradients, composed of torch's operators."""
    centred, g = x.to(mean.dtype) - _channels(mean), dy.to(mean.dtype)
    scale, rows = _scale(rstd, weight), _rows(x)
    dother = x.new_empty(0)
    if len(bits):
        g = g * _unpacked(bits, x)
        dother = torch.empty_like(x).copy_(g)
    elif relu:
        before = centred * _channels(scale)
        g = g * ~((before if bias is None else before + _channels(bias)) <= 0)
    dbias, product = g.sum((0, 2, 3)), (g * centred).sum((0, 2, 3))
    dx = _channels(scale) * (g - _channels(dbias / rows) - centred * _channels(rstd.square() * product / rows))
    return torch.empty_like(x).copy_(dx), dother, product * rstd, dbias


def _cpu(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, other: Tensor | None, eps: float, relu: bool
) -> tuple[Tensor, ...]:
    found = kernels() if has_kernel(x, weight, bias, other) else None
    if found is None:
        return reference(x, weight, bias, other, eps, relu)
    y, mean, variance, rstd, bits = _fake(x, weight, bias, other, eps, relu)
    sizes = (_rows(x), x.shape[1])
    narrow, kept = x.dtype == torch.bfloat16, bits if len(bits) else None
    call(found, "norm_forward", narrow, x, other, *sizes, weight, bias, eps, relu, y, kept, mean, variance, rstd)
    return y, mean, variance, rstd, bits


def _cpu_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    bits: Tensor,
    relu: bool,
) -> tuple[Tensor, ...]:
    found = kernels() if has_kernel(x, weight, bias, None) and mean.dtype == torch.float32 else None
    if found is None:
        return reference_backward(dy, x, weight, bias, mean, rstd, bits, relu)
    laid = dy.to(x.dtype).contiguous(memory_format=LAST)
    dx, dweight, dbias = torch.empty_like(x), torch.empty_like(mean), torch.empty_like(mean)
    dother = x.new_empty(0)
    if len(bits):  # a copy that was made here can be overwritten
        dother = laid if laid.data_ptr() != dy.data_ptr() else torch.empty_like(x)
    sizes = (_rows(x), x.shape[1])
    narrow, kept, other = x.dtype == torch.bfloat16, bits if len(bits) else None, dother if len(bits) else None
    call(
        found, "norm_backward", narrow, x, laid, *sizes, weight, bias, mean, rstd, relu, kept, dx, other, dweight, dbias
    )
    return dx, dother, dweight, dbias


def _cuda(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, other: Tensor | None, eps: float, relu: bool
) -> tuple[Tensor, ...]:
    if not has_kernel(x, weight, bias, other):
        return reference(x, weight, bias, other, eps, relu)
    from cardinet.ops import triton_batch_norm

    made = _fake(x, weight, bias, other, eps, relu)
    triton_batch_norm.forward(x, weight, bias, other, eps, relu, made)
    return made


def _cuda_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    bits: Tensor,
    relu: bool,
) -> tuple[Tensor, ...]:
    layout = _layout(x)
    if layout is None or not has_kernel(x, weight, bias, None) or mean.dtype != torch.float32:
        return reference_backward(dy, x, weight, bias, mean, rstd, bits, relu)
    from cardinet.ops import triton_batch_norm

    made = _fake_backward(dy, x, weight, bias, mean, rstd, bits, relu)
    laid = dy.to(x.dtype).contiguous(memory_format=layout)
    triton_batch_norm.backward(laid, x, weight, bias, (mean, rstd, bits), relu, made)
    return made


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, bias, other, _, relu = inputs
    _, mean, variance, rstd, bits = output
    ctx.mark_non_differentiable(mean, variance, rstd, bits)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, weight, bias, mean, rstd, bits)
    ctx.relu, ctx.adds = relu, other is not None


def _backward(ctx: Any, dy: Tensor | None, *others: None) -> tuple[Tensor | None, ...]:
    if dy is None:
        return (None,) * 6
    x, weight, bias, mean, rstd, bits = ctx.saved_tensors
    dx, dother, dweight, dbias = torch.ops.cardinet.batch_norm_backward(dy, x, weight, bias, mean, rstd, bits, ctx.relu)
    return (
        dx,
        None if weight is None else dweight,
        None if bias is None else dbias,
        (dother if ctx.relu else dy) if ctx.adds else None,
        None,
        None,
    )


def _channels(values: Tensor) -> Tensor:
    return values[:, None, None]


def _scale(rstd: Tensor, weight: Tensor | None) -> Tensor:
    return rstd if weight is None else rstd * weight


def _powers(device: torch.device) -> Tensor:
    return 1 << torch.arange(LANES, device=device, dtype=torch.int32)


def _packed(chosen: Tensor) -> Tensor:
    """A bool (N, C, H, W) as bits: int16 (N * H * W, words), the lowest bit for the first channel of a word."""
    rows = chosen.permute(0, 2, 3, 1).flatten(0, 2)
    full = torch.nn.functional.pad(rows, (0, -rows.shape[1] % LANES)).unflatten(1, (-1, LANES))
    words: Tensor = (full * _powers(chosen.device)).sum(2, dtype=torch.int32)
    return words.to(torch.int16)


def _unpacked(bits: Tensor, like: Tensor) -> Tensor:
    n, channels, height, width = like.shape
    chosen: Tensor = (bits.to(torch.int32)[:, :, None] & _powers(bits.device)) != 0
    rows: Tensor = chosen.flatten(1)[:, :channels]
    pixels: Tensor = rows.reshape(n, height, width, channels)
    return pixels.permute(0, 3, 1, 2)


for _name, _composed, _on_cpu, _on_gpu, _shapes in (
    ("cardinet::batch_norm", reference, _cpu, _cuda, _fake),
    ("cardinet::batch_norm_backward", reference_backward, _cpu_backward, _cuda_backward, _fake_backward),
):
    torch.library.impl(_name, "CompositeExplicitAutograd", _composed)
    torch.library.impl(_name, "CPU", _on_cpu)
    torch.library.impl(_name, "CUDA", _on_gpu)
    torch.library.register_fake(_name, _shapes)
torch.library.register_autograd("cardinet::batch_norm", _backward, setup_context=_setup)
