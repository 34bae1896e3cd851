"""Grouped 3x3 convolutions for GPUs, in Triton: unmeasured, because no GPU has run them yet.

A tensor core multiplies matrices of at least 16 x 16, and a group has 4 to 32 channels. So a program takes as many
neighbouring groups as fill a tile of TILE channels and multiplies by a block-diagonal matrix, which it makes of the
weights while it loads them: zero where input and output are of different groups. One program computes PIXELS positions
of the output, in the order n, h, w, by one product for each of the nine taps; sums are float32.

The input gradient is the same product with the taps turned and the blocks transposed; with a stride of 2 a program
takes positions whose rows and columns have one parity, which the same taps reach. The weight gradient is a sum over
positions: each program sums up a piece of them and writes its part of the diagonal blocks, and torch adds the parts in
a fixed order. Without atomics, results have the same bits every time.

A value that is not finite also reaches the other groups of its tile, since zero times infinity is NaN.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from cardinet.ops.gpu_choice import Form
from cardinet.ops.triton_launch import on_device_of

NARROWEST = 16
"""The fewest channels of a tile that a tensor core takes."""

PROGRAMS = 512
"""About how many programs share the sums of a weight gradient: several for each multiprocessor of a large GPU."""


@triton.jit
def _position(place, height, width):
    """n, h and w of a place in the order n, h, w."""
    row = place // width
    return (row // height).to(tl.int64), row % height, place % width


@triton.jit
def _load_pixels(x, n, h, w, known, channel, channels, height, width):
    """A tile (positions, channels) of a map in channels_last: zero beyond its edges and where nothing is known."""
    inside = known & (h >= 0) & (h < height) & (w >= 0) & (w < width)
    at = ((n * height + h) * width + w) * channels
    return tl.load(x + at[:, None] + channel[None, :], mask=inside[:, None] & (channel < channels)[None, :], other=0.0)


@triton.jit
def _load_block(weight, given, made, channels, down, right, sk, sc, sh, sw, WIDTH: tl.constexpr):
    """The block-diagonal matrix of one tap: weights from channels `given` of the input to `made` of the output.

    The shapes of the two say whether the input lies along the rows of the matrix or along its columns.
    """
    same = (given // WIDTH == made // WIDTH) & (given < channels) & (made < channels)
    return tl.load(weight + made * sk + (given % WIDTH) * sc + down * sh + right * sw, mask=same, other=0.0)


@triton.jit
def _forward(
    x, weight, y, places, channels, height, width, out_height, out_width, sk, sc, sh, sw,
    STRIDE: tl.constexpr, WIDTH: tl.constexpr, TILE: tl.constexpr, PIXELS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * TILE + tl.arange(0, TILE)
    n, h, w = _position(place, out_height, out_width)
    total = tl.zeros((PIXELS, TILE), tl.float32)
    for tap in tl.static_range(9):
        down, right = tap // 3, tap % 3
        taken = _load_pixels(
            x, n, h * STRIDE + down - 1, w * STRIDE + right - 1, place < places, channel, channels, height, width
        )  # fmt: skip
        block = _load_block(
            weight, channel[:, None], channel[None, :], channels, down, right, sk, sc, sh, sw, WIDTH
        )  # fmt: skip
        total = tl.dot(taken, block, total, input_precision=PRECISION)
    at = place.to(tl.int64)[:, None] * channels + channel[None, :]
    tl.store(y + at, total.to(y.dtype.element_ty), mask=(place < places)[:, None] & (channel < channels)[None, :])


@triton.jit
def _input_gradient(
    dy, weight, dx, batch, channels, height, width, out_height, out_width, sk, sc, sh, sw,
    STRIDE: tl.constexpr, WIDTH: tl.constexpr, TILE: tl.constexpr, PIXELS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """dx[h, w] = the sum over taps of dy[(h + 1 - down) / STRIDE, (w + 1 - right) / STRIDE], where that is whole."""
    odd_row, odd_column = tl.program_id(2) // STRIDE, tl.program_id(2) % STRIDE
    rows, columns = (height - odd_row + STRIDE - 1) // STRIDE, (width - odd_column + STRIDE - 1) // STRIDE
    place = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    known = place < batch * rows * columns
    channel = tl.program_id(1) * TILE + tl.arange(0, TILE)
    n, h, w = _position(place, tl.maximum(rows, 1), tl.maximum(columns, 1))  # a map of one column has no odd ones
    total = tl.zeros((PIXELS, TILE), tl.float32)
    for tap in tl.static_range(9):
        down, right = tap // 3, tap % 3
        if (odd_row + 1 - down) % STRIDE == 0 and (odd_column + 1 - right) % STRIDE == 0:
            # the rest of a negative number may be negative, so a difference of -1 and one of 1 are odd alike
            above, before = (odd_row + 1 - down) // STRIDE, (odd_column + 1 - right) // STRIDE
            given = _load_pixels(dy, n, h + above, w + before, known, channel, channels, out_height, out_width)
            block = _load_block(
                weight, channel[None, :], channel[:, None], channels, down, right, sk, sc, sh, sw, WIDTH
            )  # fmt: skip
            total = tl.dot(given, block, total, input_precision=PRECISION)
    at = ((n * height + h * STRIDE + odd_row) * width + w * STRIDE + odd_column) * channels
    inside = known[:, None] & (channel < channels)[None, :]
    tl.store(dx + at[:, None] + channel[None, :], total.to(dx.dtype.element_ty), mask=inside)


@triton.jit
def _weight_gradient(
    dy, x, parts, places, channels, height, width, out_height, out_width, step,
    STRIDE: tl.constexpr, WIDTH: tl.constexpr, TILE: tl.constexpr, PIXELS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The part of a piece of positions in the gradients of the three weights of one row of taps."""
    down = tl.program_id(2)
    channel = tl.program_id(1) * TILE + tl.arange(0, TILE)
    left, middle = tl.zeros((TILE, TILE), tl.float32), tl.zeros((TILE, TILE), tl.float32)
    right = tl.zeros((TILE, TILE), tl.float32)
    begin = tl.program_id(0) * step
    end = tl.minimum(begin + step, places)
    for start in range(begin, end, PIXELS):
        place = start + tl.arange(0, PIXELS)
        known = place < end
        n, h, w = _position(place, out_height, out_width)
        given = tl.trans(_load_pixels(dy, n, h, w, known, channel, channels, out_height, out_width))
        row, column = h * STRIDE + down - 1, w * STRIDE
        taken = _load_pixels(x, n, row, column - 1, known, channel, channels, height, width)
        left = tl.dot(given, taken, left, input_precision=PRECISION)
        taken = _load_pixels(x, n, row, column, known, channel, channels, height, width)
        middle = tl.dot(given, taken, middle, input_precision=PRECISION)
        taken = _load_pixels(x, n, row, column + 1, known, channel, channels, height, width)
        right = tl.dot(given, taken, right, input_precision=PRECISION)
    made, of = channel[:, None], channel[None, :]
    same = (made // WIDTH == of // WIDTH) & (made < channels) & (of < channels)
    at = parts + ((tl.program_id(0).to(tl.int64) * channels + made) * WIDTH + of % WIDTH) * 9 + down * 3
    tl.store(at, left, mask=same)
    tl.store(at + 1, middle, mask=same)
    tl.store(at + 2, right, mask=same)


def _constants(weight: Tensor, stride: int, form: Form, precision: str) -> dict[str, object]:
    return {
        "STRIDE": stride,
        "WIDTH": weight.shape[1],
        "TILE": max(NARROWEST, weight.shape[1]),
        "PIXELS": form.pixels,
        "PRECISION": precision,
        "num_warps": form.warps,
        "num_stages": form.stages,
    }


def _across(weight: Tensor) -> int:
    tiles: int = triton.cdiv(len(weight), max(NARROWEST, weight.shape[1]))
    return tiles


def forward(x: Tensor, weight: Tensor, stride: int, precision: str, form: Form, y: Tensor) -> None:
    """Fill y. Maps are in channels_last; weight (C, C / groups, 3, 3) has their type and any strides."""
    places = y.numel() // y.shape[1]
    grid = (triton.cdiv(places, form.pixels), _across(weight))
    sizes = (places, x.shape[1], *x.shape[2:], *y.shape[2:])
    with on_device_of(x):
        _forward[grid](x, weight, y, *sizes, *weight.stride(), **_constants(weight, stride, form, precision))


def input_gradient(dy: Tensor, weight: Tensor, stride: int, precision: str, form: Form, dx: Tensor) -> None:
    """Fill dx, of maps in channels_last."""
    batch, channels, height, width = dx.shape
    places = batch * triton.cdiv(height, stride) * triton.cdiv(width, stride)
    grid = (triton.cdiv(places, form.pixels), _across(weight), stride * stride)
    sizes = (batch, channels, height, width, *dy.shape[2:])
    with on_device_of(dx):
        _input_gradient[grid](dy, weight, dx, *sizes, *weight.stride(), **_constants(weight, stride, form, precision))


def weight_gradient(dy: Tensor, x: Tensor, weight: Tensor, stride: int, precision: str, form: Form) -> Tensor:
    """The gradient of `weight` in float32, contiguous, from maps in channels_last."""
    places, across = dy.numel() // dy.shape[1], _across(weight)
    tiles = triton.cdiv(places, form.pixels)
    step = triton.cdiv(tiles, max(1, PROGRAMS // (3 * across))) * form.pixels
    pieces = triton.cdiv(places, step)
    parts = x.new_empty((pieces, *weight.shape), dtype=torch.float32)
    sizes = (places, x.shape[1], *x.shape[2:], *dy.shape[2:])
    with on_device_of(x):
        _weight_gradient[pieces, across, 3](
            dy, x, parts, *sizes, step, **_constants(weight, stride, form, precision)
        )  # fmt: skip
    return parts.sum(0)
