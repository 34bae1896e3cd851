"""Inception networks and GoogLeNet: modules whose branches are concatenated, drawn from their pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cardinet.base.amounts import amount
from cardinet.draw.flow import CONCATENATION, SUM, Chain, Fork, Part, box, chain
from cardinet.draw.layers import feature_map, kernel_text, pool, stride_text, words
from cardinet.draw.parts import drawn_gate, joined, merged
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.networks.families.googlenet import GoogLeNet
from cardinet.networks.inception import Inception
from cardinet.networks.parts.inception_pieces import (
    Concatenation,
    Convolution,
    InceptionResidual,
    Piece,
    Pooling,
    fork,
)

Pieces = Sequence[Piece]
Norms = Callable[[int], Part]


def plan(spec: Inception) -> Plan:
    """Stem, stages and head; the modules that differ in more than numbers."""
    embedding = f"fc {{width}} \u2192 {spec.embedding}, BN, " if spec.embedding else ""
    about = "Every convolution but those with a bias has BN and ReLU after it. V: without padding."
    return _plan(spec, spec.stem, spec.stages, embedding, spec.embedding, about)


def googlenet_plan(spec: GoogLeNet) -> Plan:
    """The same of the pieces that the table of a GoogLeNet means."""

    def conv(kernel: Any, width: int, stride: Any = 1) -> Convolution:
        return Convolution(width=width, kernel=(kernel, kernel), stride=stride)

    def halve(kernel: Any = 3) -> Pooling:
        return Pooling(kind="max", kernel=kernel, stride=2)

    def module(one: int, reduce3: int, three: int, reduce5: int, wide: int, project: int) -> Concatenation:
        pooled = Pooling(kind="max", kernel=3)
        if spec.naive:
            return fork([conv(1, one)], [conv(3, three)], [conv(spec.five, wide)], [pooled])
        return fork(
            [conv(1, one)],
            [conv(1, reduce3), conv(3, three)],
            [conv(1, reduce5), conv(spec.five, wide)],
            [pooled, conv(1, project)],
        )

    stages: list[list[Piece]] = [[module(*widths) for widths in stage] for stage in spec.widths]
    for stage in stages[1:]:
        stage.insert(0, halve(spec.last_pool if stage is stages[-1] else 3))
    stem = [conv(7, 64, 2), halve(), conv(1, 64), conv(3, 192), halve()]
    about = f"Every convolution has {'BN and ReLU after it' if spec.norm else 'a bias, and ReLU after it'}."
    made = _plan(spec, stem, stages, "", None, about)
    normed = ("local response normalisation after the first pool and before the last",) if spec.lrn else ()
    first = Stage(made.stages[0].name, (*made.stages[0].about, *normed), made.stages[0].first)
    return Plan((first, *made.stages[1:]), made.panels, notes=made.notes)


def _plan(spec: Any, stem: Pieces, stages: Sequence[Pieces], embedding: str, units: int | None, about: str) -> Plan:
    width = _width(stem, spec.in_channels)
    rows = [Stage("stem", tuple(_lines(stem)), "stem")]
    found = []
    if any(isinstance(piece, Concatenation) for piece in stem):
        found.append(Enlarged("Stem", _whole(spec, stem, spec.in_channels), of=0))
    for i, stage in enumerate(stages, 1):
        rows.append(Stage(f"stage {i}", (_summary(stage),), f"layer{i}"))
        for j, piece in enumerate(stage, 1):
            if isinstance(piece, Concatenation | InceptionResidual):
                title = f"Module {j} of stage {i}"
                found.append(Enlarged(title, _whole(spec, [piece], width), of=i))
            width = _width([piece], width)
    fc = f"{embedding.format(width=width)}fc {units or width} \u2192 {spec.num_classes}"
    dropped = f"dropout {spec.dropout:g}, " if spec.dropout else ""
    rows.append(Stage("head", (f"average pool, {dropped}{fc}",), "avgpool"))
    return Plan(tuple(rows), panels(found), notes=(about,))


def _summary(stage: Pieces) -> str:
    """The pieces of a stage in their order; pieces of one kind in a row are counted."""
    texts = []
    for noun, group in itertools.groupby(stage, _noun):
        pieces = list(group)
        texts += [amount(len(pieces), noun)] if noun else [_text(piece) for piece in pieces]
    return ", ".join(texts)


def _noun(piece: Piece) -> str:
    return {Concatenation: "module", InceptionResidual: "residual module"}.get(type(piece), "")


def _lines(stem: Pieces) -> Iterator[str]:
    """The pieces of a stem, three in a line."""
    texts = [_text(piece) for piece in stem]
    for i in range(0, len(texts), 3):
        yield " | ".join(texts[i : i + 3])


def _text(piece: Piece) -> str:
    """A piece in one line, without its branches."""
    if isinstance(piece, Convolution):
        return f"{kernel_text(piece.kernel)}{stride_text(piece.stride)}, {piece.width}"
    if isinstance(piece, Pooling):
        return f"{piece.kind} pool {kernel_text(piece.kernel)}{stride_text(piece.stride)}"
    return "branches" if isinstance(piece, Concatenation) else type(piece).__name__


def _width(pieces: Pieces, w_in: int) -> int:
    """The channels after some pieces."""
    for piece in pieces:
        if isinstance(piece, Convolution):
            w_in = piece.width
        elif isinstance(piece, Concatenation):
            w_in = sum(_width(branch, w_in) for branch in piece.branches)
    return w_in


def _whole(spec: Any, pieces: Pieces, w_in: int) -> Part:
    body = [_drawn(spec, piece, w_in) for piece in pieces]
    w_out = _width(pieces, w_in)
    gated = [drawn_gate(spec.gate, w_out)] if len(pieces) == 1 and isinstance(pieces[0], Concatenation) else []
    return chain(feature_map(w_in, "in"), *body, *gated, feature_map(w_out, "out"))


def _drawn(spec: Any, piece: Piece, w_in: int) -> Part:
    draw: Callable[..., Part] = PIECES.get(type(piece), _unknown)
    return draw(spec, piece, w_in)


def _convolution(spec: Any, piece: Convolution, w_in: int) -> Part:
    valid = " V" if piece.padding == "valid" and piece.kernel != (1, 1) else ""
    return box("conv", f"{kernel_text(piece.kernel)}{stride_text(piece.stride)}{valid}, {piece.width}")


def _pooling(spec: Any, piece: Pooling, w_in: int) -> Part:
    return pool({"max": "max", "avg": "average"}[piece.kind], piece.kernel, piece.stride)


def _concatenation(spec: Any, piece: Concatenation | InceptionResidual, w_in: int) -> Part:
    return Fork(tuple(_branch(spec, branch, w_in) for branch in piece.branches), CONCATENATION)


def _branch(spec: Any, pieces: Pieces, w_in: int) -> Chain:
    parts = []
    for piece in pieces:
        parts.append(_drawn(spec, piece, w_in))
        w_in = _width([piece], w_in)
    return chain(*parts)


def _residual(spec: Any, piece: InceptionResidual, w_in: int) -> Part:
    inner = sum(_width(branch, w_in) for branch in piece.branches)
    on_skip, on_branch = merged(spec.merge)
    branch = chain(
        _concatenation(spec, piece, w_in),
        box("conv", f"{inner}, 1\u00d71, {w_in}, with bias"),
        drawn_gate(spec.gate, w_in),
        box("gate", f"\u00d7 {piece.scale:g}") if piece.scale != 1 else Chain(),
        on_branch,
    )
    return chain(joined(branch, on_skip, SUM), words("relu" if piece.activation else ""))


def _unknown(spec: Any, piece: Piece, w_in: int) -> Part:
    return box("conv", type(piece).__name__)


PIECES: dict[type, Callable[..., Part]] = {
    Convolution: _convolution,
    Pooling: _pooling,
    Concatenation: _concatenation,
    InceptionResidual: _residual,
}
