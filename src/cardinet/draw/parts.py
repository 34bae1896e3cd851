"""The parts of a residual unit as boxes; a table for each role, with a row for each class of parts.

A part without a row, such as one from another package, is a box with the name of its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cardinet.blocks.residual_unit import Layer
from cardinet.draw.flow import CONCATENATION, PRODUCT, SUM, Box, Chain, Fork, Part, box, chain
from cardinet.draw.layers import TIMES, convolution, pool, stride_text, words
from cardinet.networks.parts.carry import ExclusiveGate, Scaled, ShortcutDropout, ShortcutGate
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.merge import Add, StochasticDepth, Swapout
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.spatial import Grouped, SelectiveKernel, SplitAttention

Sides = tuple[Chain, Chain]
"""What stands on the shortcut and on the branch before their sum."""

__all__ = ["CONCATENATION", "SUM", "carried", "drawn_gate", "merged", "shortcut", "spatial"]


def _of(table: Mapping[type, Callable[..., Any]], part: object, other: Callable[..., Any]) -> Callable[..., Any]:
    return next((table[kind] for kind in type(part).__mro__ if kind in table), other)


def spatial(part: Any, layer: Layer) -> Part:
    """The part in the place of the spatial convolution."""
    made: Part = _of(SPATIALS, part, _unknown_spatial)(part, layer)
    return made


def _grouped(part: Grouped, layer: Layer) -> Part:
    return convolution(layer.w_in, layer.kernel, layer.w_out, layer.stride, groups=part.cardinality)


def _selective(part: SelectiveKernel, layer: Layer) -> Part:
    hidden = max(layer.w_out // part.reduction, part.least)
    paths = [
        chain(
            convolution(
                layer.w_in, k, layer.w_out, layer.stride, groups=part.cardinality, more=f", dilation {d}" * (d > 1)
            ),
            words("bn relu"),
        )
        for k, d in part.kernels
    ]
    ways = len(paths)
    choice = box(
        "gate",
        "selective kernel: weighted sum of the paths",
        f"weights: mean \u2192 {hidden}, BN, ReLU \u2192 {ways} {TIMES} {layer.w_out}, softmax",
    )
    return Fork(tuple(paths), choice)


def _split(part: SplitAttention, layer: Layer) -> Part:
    radix, strided = part.radix, layer.stride > 1
    groups = part.cardinality * radix
    halving = chain(pool("average", 3, layer.stride)) if strided else Chain()
    softmax = "softmax" if radix > 1 else "sigmoid"
    return chain(
        halving if part.pool == "before" else Chain(),
        convolution(layer.w_in, layer.kernel, layer.w_out * radix, groups=groups),
        words("bn relu"),
        box(
            "gate",
            f"split attention: weighted sum of {radix} splits" if radix > 1 else "attention of one split",
            f"weights: mean \u2192 {part.hidden_width(layer.w_out)}, BN, ReLU \u2192 {radix} {TIMES} {layer.w_out}, "
            f"{softmax}",
        ),
        halving if part.pool == "after" else Chain(),
    )


def _unknown_spatial(part: object, layer: Layer) -> Part:
    return box("conv", type(part).__name__, f"{layer.w_in} \u2192 {layer.w_out}{stride_text(layer.stride)}")


SPATIALS: dict[type, Callable[..., Part]] = {Grouped: _grouped, SelectiveKernel: _selective, SplitAttention: _split}


def drawn_gate(part: Any, channels: int) -> Part:
    """The gate after a branch; nothing if there is none."""
    made: Part = Chain() if part is None else _of(GATES, part, _unknown_gate)(part, channels)
    return made


def _squeeze(part: SqueezeExcite, channels: int) -> Part:
    hidden = max(1, channels // part.reduction)
    weights = chain(
        box("pool", "global average pool"),
        box("gate", f"fc {channels} \u2192 {hidden}, ReLU"),
        box("gate", f"fc {hidden} \u2192 {channels}, sigmoid"),
    )
    return Fork((Chain(), weights), PRODUCT, axis=0)


def _unknown_gate(part: object, channels: int) -> Part:
    return box("gate", type(part).__name__)


GATES: dict[type, Callable[..., Part]] = {SqueezeExcite: _squeeze}


def merged(part: Any) -> Sides:
    """What a merge puts on the shortcut and on the branch in training."""
    made: Sides = _of(MERGES, part, _unknown_merge)(part)
    return made


def _closing(part: StochasticDepth) -> Sides:
    last = f"{part.last:g}" if part.rule == "uniform" else f"from 1 to {part.last:g} in the last unit"
    return Chain(), chain(box("drop", "stochastic depth: open with", f"probability {last}"))


def _swapout(part: Swapout) -> Sides:
    def side(letter: str, last: float) -> Chain:
        share = f"{last:g}" if part.rule == "uniform" else f"from 1 to {last:g}"
        return chain(box("drop", f"swapout {letter}: each element", f"kept, {share}"))

    return side("\u03b81", part.last[0]), side("\u03b82", part.last[1])


def _unknown_merge(part: object) -> Sides:
    return Chain(), chain(box("drop", type(part).__name__))


MERGES: dict[type, Callable[..., Sides]] = {
    Add: lambda part: (Chain(), Chain()),
    StochasticDepth: _closing,
    Swapout: _swapout,
}


def carried(part: Any) -> Sides:
    """What weighs the shortcut and the branch; nothing if there is no carry."""
    made: Sides = (Chain(), Chain()) if part is None else _of(CARRIES, part, _unknown_carry)(part)
    return made


def _gated(skip: str, branch: str = "") -> Sides:
    return chain(box("gate", skip, "g = sigmoid(1\u00d71)")), chain(box("gate", branch)) if branch else Chain()


def _unknown_carry(part: object) -> Sides:
    return chain(box("gate", type(part).__name__)), Chain()


CARRIES: dict[type, Callable[..., Sides]] = {
    Scaled: lambda part: (
        chain(box("gate", f"{TIMES} {part.skip:g}")),
        chain(box("gate", f"{TIMES} {part.branch:g}")),
    ),
    ExclusiveGate: lambda part: _gated(f"{TIMES} (1 \u2212 g)", f"{TIMES} g"),
    ShortcutGate: lambda part: _gated(f"{TIMES} (1 \u2212 g)"),
    ShortcutDropout: lambda part: (chain(box("drop", f"dropout {part.rate:g}")), Chain()),
}


def shortcut(part: Any, w_in: int, w_out: int, stride: int) -> Chain | None:
    """The shortcut of a unit; an empty chain is the identity, None means that there is none."""
    made: Chain | None = _of(SHORTCUTS, part, _unknown_shortcut)(part, w_in, w_out, stride)
    return made


def _shortcut(part: Shortcut, w_in: int, w_out: int, stride: int) -> Chain | None:
    same = w_in == w_out and stride == 1
    if part.kind == "none" or (part.kind == "identity" and not same):
        return None
    if same and part.kind != "C":
        return Chain()
    if part.kind == "A":
        halved = {"avg": [box("pool", "mean of 2\u00d72 pixels")], "subsample": [box("pool", "every 2nd pixel")]}
        return chain(*(halved[part.sample] if stride > 1 else []), _padded(w_in, w_out))
    return _projection(part.project, w_in, w_out, stride)


def _padded(w_in: int, w_out: int) -> Part:
    return box("drop", f"+ {w_out - w_in} channels of 0") if w_out > w_in else Chain()


def _projection(project: str, w_in: int, w_out: int, stride: int) -> Chain:
    averaged = project.startswith("avg") and stride > 1
    kernel = 3 if project.startswith("conv3") and stride > 1 else 1
    return chain(
        pool("average", stride, stride) if averaged else Chain(),
        convolution(w_in, kernel, w_out, 1 if averaged else stride),
        words("bn" if project.endswith("bn") else ""),
    )


def _unknown_shortcut(part: object, w_in: int, w_out: int, stride: int) -> Chain:
    return chain(box("conv", type(part).__name__, f"{w_in} \u2192 {w_out}{stride_text(stride)}"))


SHORTCUTS: dict[type, Callable[..., Chain | None]] = {Shortcut: _shortcut}


def joined(branch: Part, skip: Chain | None, join: Box = SUM) -> Part:
    """A branch and its shortcut with their sum; the branch alone if there is no shortcut."""
    return branch if skip is None else Fork((branch, skip), join, axis=0, skips=(1,))
