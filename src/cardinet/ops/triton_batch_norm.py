"""The kernels of `cardinet::batch_norm` and its backward for GPUs, in Triton; unmeasured: no GPU has run them yet.

A map is a matrix of positions (N * H * W) and channels, in channels_last or contiguous. Numbers are float32 inside. A
sum over positions has two stages: each program writes its partial sums, and a second kernel adds them in a fixed order.
How the positions are cut depends on the shape alone, and there are no atomics, so a result always has the same bits.

Forward and backward compute the argument of a ReLU by the same fused multiply-add, so that they see the same sign.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from cardinet.ops.triton_launch import on_device_of

LANES = tl.constexpr(16)
"""The channels that share a word of bits, and the fewest channels of a tile."""

TILE = 2048
"""The elements of a tile: 16 for each thread of four warps."""

PROGRAMS = 1024
"""About how many programs share the sums over a map: several for each multiprocessor of a large GPU."""


@triton.jit
def _places(positions, channel, channels, area, LAST: tl.constexpr):
    """Where the elements of a tile (positions, channels) lie in memory."""
    wide = positions.to(tl.int64)
    if LAST:
        rows, apart = wide * channels, 1
    else:
        rows, apart = wide // area * channels * area + wide % area, area
    return rows[:, None] + (channel * apart)[None, :]


@triton.jit
def _vector(values, channel, channels, absent: tl.constexpr):
    """The float32 values of channels, or what stands for them if there are none."""
    if values is None:
        return tl.full(channel.shape, absent, tl.float32)
    else:  # noqa: RET505 - Triton compiles one of the two
        return tl.load(values + channel, mask=channel < channels, other=0.0)


@triton.jit
def _origin(x, channel, rows, channels, area, LAST: tl.constexpr):
    """About the mean: that of the first positions. Squares of distances from it keep their digits."""
    first = tl.arange(0, LANES)
    inside = (first < rows)[:, None] & (channel < channels)[None, :]
    values = tl.load(x + _places(first, channel, channels, area, LAST), mask=inside, other=0.0).to(tl.float32)
    return tl.sum(values, 0) / tl.minimum(rows, LANES)


@triton.jit
def _add_pieces(partial, channel, channels, pieces, which: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The sum over pieces of one of the two quantities in `partial` (2, pieces, channels)."""
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, pieces, ROWS):
        piece = start + tl.arange(0, ROWS)
        inside = (piece < pieces)[:, None] & (channel < channels)[None, :]
        at = (which * pieces + piece)[:, None] * channels + channel[None, :]
        total += tl.load(partial + at, mask=inside, other=0.0)
    return tl.sum(total, 0)


@triton.jit
def _store_pair(partial, first, second, channel, channels):
    at = tl.program_id(0) * channels + channel
    tl.store(partial + at, tl.sum(first, 0), mask=channel < channels)
    tl.store(partial + tl.num_programs(0) * channels + at, tl.sum(second, 0), mask=channel < channels)


@triton.jit
def _moments(x, partial, rows, channels, area, step, LAST: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Of a piece of positions: the sums of x - origin and of its square."""
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    origin = _origin(x, channel, rows, channels, area, LAST)
    sums, squares = tl.zeros((ROWS, COLUMNS), tl.float32), tl.zeros((ROWS, COLUMNS), tl.float32)
    begin = tl.program_id(0) * step
    end = tl.minimum(begin + step, rows)
    for start in range(begin, end, ROWS):
        position = start + tl.arange(0, ROWS)
        inside = (position < end)[:, None] & (channel < channels)[None, :]
        value = tl.load(x + _places(position, channel, channels, area, LAST), mask=inside, other=0.0).to(tl.float32)
        value = tl.where(inside, value - origin[None, :], 0.0)
        sums += value
        squares += value * value
    _store_pair(partial, sums, squares, channel, channels)


@triton.jit
def _statistics(
    x, partial, mean, variance, rstd, rows, channels, area, pieces, eps,
    LAST: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    channel = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    within = channel < channels
    offset = _add_pieces(partial, channel, channels, pieces, 0, ROWS, COLUMNS) / rows
    spread = _add_pieces(partial, channel, channels, pieces, 1, ROWS, COLUMNS) / rows - offset * offset
    spread = tl.where(spread < 0, 0.0, spread)  # a NaN stays
    tl.store(mean + channel, _origin(x, channel, rows, channels, area, LAST) + offset, mask=within)
    tl.store(variance + channel, spread, mask=within)
    tl.store(rstd + channel, 1.0 / tl.sqrt_rn(spread + eps), mask=within)


@triton.jit
def _apply(
    x, other, weight, bias, mean, rstd, y, bits, rows, channels, area, words,
    RELU: tl.constexpr, LAST: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """y = relu((x - mean) * scale + bias + other), and the bits of what passes the ReLU."""
    position = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (position < rows)[:, None] & (channel < channels)[None, :]
    at = _places(position, channel, channels, area, LAST)
    scale = _vector(rstd, channel, channels, 1.0) * _vector(weight, channel, channels, 1.0)
    shift = tl.broadcast_to(_vector(bias, channel, channels, 0.0)[None, :], (ROWS, COLUMNS))
    centred = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - _vector(mean, channel, channels, 0.0)[None, :]
    value = tl.fma(centred, tl.broadcast_to(scale[None, :], (ROWS, COLUMNS)), shift)
    if other is not None:
        value += tl.load(other + at, mask=inside, other=0.0).to(tl.float32)
    if RELU:
        stopped = value <= 0  # a NaN passes
        if bits is not None:
            lane = tl.arange(0, LANES)[None, None, :]
            passed = tl.reshape((~stopped).to(tl.int32), (ROWS, COLUMNS // LANES, LANES)) << lane
            word = tl.program_id(1) * (COLUMNS // LANES) + tl.arange(0, COLUMNS // LANES)
            within = (position < rows)[:, None] & (word < words)[None, :]
            where = bits + position.to(tl.int64)[:, None] * words + word[None, :]
            tl.store(where, tl.sum(passed, 2).to(tl.int16), mask=within)
        value = tl.where(stopped, 0.0, value)
    tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _passed(g, centred, scale, bias, channel, channels, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """What a ReLU without a sum before it lets pass of g."""
    shift = tl.broadcast_to(_vector(bias, channel, channels, 0.0)[None, :], (ROWS, COLUMNS))
    value = tl.fma(centred, tl.broadcast_to(scale[None, :], (ROWS, COLUMNS)), shift)
    return tl.where(value <= 0, 0.0, g)


@triton.jit
def _gradient_sums(
    dy, x, weight, bias, mean, rstd, bits, dother, partial, rows, channels, area, words, step,
    RELU: tl.constexpr, LAST: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Of what the ReLU lets pass of dy: the sum, and that of its products with x - mean; with bits, it is kept too."""
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    centre = _vector(mean, channel, channels, 0.0)
    scale = _vector(rstd, channel, channels, 1.0) * _vector(weight, channel, channels, 1.0)
    sums, products = tl.zeros((ROWS, COLUMNS), tl.float32), tl.zeros((ROWS, COLUMNS), tl.float32)
    begin = tl.program_id(0) * step
    end = tl.minimum(begin + step, rows)
    for start in range(begin, end, ROWS):
        position = start + tl.arange(0, ROWS)
        inside = (position < end)[:, None] & (channel < channels)[None, :]
        at = _places(position, channel, channels, area, LAST)
        g = tl.load(dy + at, mask=inside, other=0.0).to(tl.float32)
        centred = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - centre[None, :]
        if bits is not None:
            where = position.to(tl.int64)[:, None] * words + (channel // LANES)[None, :]
            word = tl.load(bits + where, mask=inside, other=0).to(tl.int32)
            g = tl.where(((word >> (channel % LANES)[None, :]) & 1) != 0, g, 0.0)
            tl.store(dother + at, g.to(dother.dtype.element_ty), mask=inside)
        elif RELU:
            g = _passed(g, centred, scale, bias, channel, channels, ROWS, COLUMNS)
        sums += g
        products += tl.where(inside, g * centred, 0.0)
    _store_pair(partial, sums, products, channel, channels)


@triton.jit
def _vector_gradients(
    partial, rstd, dweight, dbias, channels, pieces, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    channel = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    sums = _add_pieces(partial, channel, channels, pieces, 0, ROWS, COLUMNS)
    products = _add_pieces(partial, channel, channels, pieces, 1, ROWS, COLUMNS)
    tl.store(dbias + channel, sums, mask=channel < channels)
    tl.store(dweight + channel, products * _vector(rstd, channel, channels, 1.0), mask=channel < channels)


@triton.jit
def _input_gradient(
    g, x, weight, bias, mean, rstd, dweight, dbias, dx, rows, channels, area,
    RELU: tl.constexpr, LAST: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """dx = scale * (g - dbias / rows - (x - mean) * rstd * dweight / rows)."""
    position = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (position < rows)[:, None] & (channel < channels)[None, :]
    at = _places(position, channel, channels, area, LAST)
    deviation = _vector(rstd, channel, channels, 1.0)
    scale = deviation * _vector(weight, channel, channels, 1.0)
    centred = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - _vector(mean, channel, channels, 0.0)[None, :]
    value = tl.load(g + at, mask=inside, other=0.0).to(tl.float32)
    if RELU:
        value = _passed(value, centred, scale, bias, channel, channels, ROWS, COLUMNS)
    constant = _vector(dbias, channel, channels, 0.0) / rows
    slope = deviation * _vector(dweight, channel, channels, 0.0) / rows
    value = scale[None, :] * (value - constant[None, :] - centred * slope[None, :])
    tl.store(dx + at, value.to(dx.dtype.element_ty), mask=inside)


class _Cut:
    """How a map is cut: into tiles, and for sums into pieces of positions."""

    def __init__(self, x: Tensor) -> None:
        n, self.channels, height, width = x.shape
        self.area = height * width
        self.rows = n * self.area
        self.last = x.is_contiguous(memory_format=torch.channels_last)
        lanes = LANES.value
        self.columns = min(128, max(lanes, triton.next_power_of_2(self.channels))) if self.last else lanes
        self.height = TILE // self.columns
        across, down = triton.cdiv(self.channels, self.columns), triton.cdiv(self.rows, self.height)
        self.step = triton.cdiv(down, max(1, PROGRAMS // across)) * self.height
        self.pieces = triton.cdiv(self.rows, self.step)
        self.across, self.tiles, self.parts = (across,), (down, across), (self.pieces, across)
        self.sizes = (self.rows, self.channels, self.area)
        self.tile = {"ROWS": self.height, "COLUMNS": self.columns}
        self.form = {"LAST": self.last, **self.tile}

    def partial(self, x: Tensor) -> Tensor:
        return x.new_empty((2, self.pieces, self.channels), dtype=torch.float32)


def forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    other: Tensor | None,
    eps: float,
    relu: bool,
    out: tuple[Tensor, ...],
) -> None:
    """Fill `out` (y, mean, variance, rstd, bits). x is not empty; `other` has its layout; vectors are float32."""
    y, mean, variance, rstd, bits = out
    cut, kept = _Cut(x), bits if len(bits) else None
    partial = cut.partial(x)
    with on_device_of(x):
        _moments[cut.parts](x, partial, *cut.sizes, cut.step, **cut.form)
        _statistics[cut.across](x, partial, mean, variance, rstd, *cut.sizes, cut.pieces, eps, **cut.form)
        _apply[cut.tiles](
            x, other, weight, bias, mean, rstd, y, kept, *cut.sizes, bits.shape[1], RELU=relu, **cut.form
        )  # fmt: skip


def backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    saved: tuple[Tensor, Tensor, Tensor],
    relu: bool,
    out: tuple[Tensor, ...],
) -> None:
    """Fill `out` (dx, dother, dweight, dbias); `saved` is mean, rstd and bits. dy has the type and layout of x."""
    mean, rstd, bits = saved
    dx, dother, dweight, dbias = out
    cut, masked = _Cut(x), len(bits) > 0
    partial, words = cut.partial(x), bits.shape[1]
    kept = (bits, dother) if masked else (None, None)
    vectors = (weight, bias, mean, rstd)
    with on_device_of(x):
        _gradient_sums[cut.parts](
            dy, x, *vectors, *kept, partial, *cut.sizes, words, cut.step, RELU=relu, **cut.form
        )  # fmt: skip
        _vector_gradients[cut.across](partial, rstd, dweight, dbias, cut.channels, cut.pieces, **cut.tile)
        _input_gradient[cut.tiles](
            dother if masked else dy, x, *vectors, dweight, dbias, dx, *cut.sizes, RELU=relu and not masked, **cut.form
        )  # fmt: skip
