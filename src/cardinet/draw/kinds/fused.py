"""Deeply-fused and merge-and-run networks: blocks of deep and shallow lines (Zhao et al. 2016, Figures 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

from cardinet.base.amounts import amount
from cardinet.draw.flow import SUM, Box, Chain, Fork, Part, box, chain, several
from cardinet.draw.layers import convolution, feature_map, kernel_text, stem_text, words
from cardinet.draw.parts import joined, merged
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.draw.scene import Edge, Grid, Panel
from cardinet.networks.families.deeply_fused import DeeplyFused
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.parts.fused_lines import FusedLines

SHOWN = 4
"""The most convolutions of a line that are drawn one by one."""


@dataclass(frozen=True)
class Block:
    """The shape of a block: channels, stride, and whether it is the first of the network."""

    w_in: int
    w_out: int
    stride: int
    first: bool

    @property
    def keeps_shape(self) -> bool:
        return self.w_in == self.w_out and self.stride == 1


def _block(spec: DeeplyFused | MergeAndRun, group: int, index: int) -> Block:
    widths = (spec.widths[0] // spec.lines.reduction, *spec.widths)
    w_in = widths[group] if index == 0 else widths[group + 1]
    return Block(w_in, widths[group + 1], 2 if index == 0 and group > 0 else 1, group == index == 0)


def _stages(spec: DeeplyFused | MergeAndRun, deep: str) -> tuple[Stage, ...]:
    width = spec.widths[0] // spec.lines.reduction
    if spec.layout == "cifar":
        stages = [Stage("stem", (stem_text(3, width, 1, "bn relu"),), "conv1")]
    else:
        stages = [Stage("stem", (stem_text(7, width, 2), "max pool 3\u00d73 /2"), "conv1")]
    for i, (depth, w_out) in enumerate(zip(spec.depths, spec.widths, strict=True), 1):
        inner = w_out // spec.lines.reduction
        last = len(spec.lines.kernels) - 1
        line = [f"{kernel_text(k)}, {w_out if j == last else inner}" for j, k in enumerate(spec.lines.kernels)]
        if len(line) > SHOWN:
            line = [f"{len(line)} of {line[0]}"]
        stages.append(Stage(f"group {i}", (f"{amount(depth, 'block')}, {deep} of {' | '.join(line)}",), f"layer{i}"))
    return tuple(stages)


def _deep(lines: FusedLines, block: Block) -> Chain:
    """A deep line; of many convolutions the first two and the last."""
    last = len(lines.kernels) - 1
    strided = next((i for i, kernel in enumerate(lines.kernels) if kernel > 1), 0)
    widths = [block.w_in, *[block.w_out // lines.reduction] * last, block.w_out]
    parts: list[Part] = []
    for i, kernel in enumerate(lines.kernels):
        if last < SHOWN or i < 2 or i == last:
            drawn = convolution(widths[i], kernel, widths[i + 1], block.stride if i == strided else 1)
            parts.append(chain(drawn, words("bn relu" if i < last else "bn")))
        elif i == 2:
            parts.append(box("norm", f"\u22ef {last + 1} such convolutions in all"))
    return chain(*parts)


def _shallow(lines: FusedLines, block: Block) -> Chain | None:
    """The shallow line: the identity (an empty chain), a convolution with BN, or None."""
    if lines.shallow == "none" or (lines.shallow == "identity" and not block.keeps_shape):
        return None
    if block.keeps_shape and not (lines.shallow == "3x3-first" and block.first):
        return Chain()
    kernel = 1 if lines.shallow == "1x1" else 3
    return chain(convolution(block.w_in, kernel, block.w_out, block.stride), words("bn"))


def fused_plan(spec: DeeplyFused) -> Plan:
    """Stem, groups and head; a block, and the first block of group 2."""
    deep = "a deep line" if spec.branches == 1 else f"{spec.branches} deep lines"
    head = Stage("head", (f"average pool, fc {spec.widths[-1]} \u2192 {spec.num_classes}",), "avgpool")
    group, usual = _usual(spec)
    found = [Enlarged(f"Block {usual + 1} of group {group + 1}", _fused(spec, group, usual), of=group + 1)]
    found += [Enlarged("Block 1 of group 2", _fused(spec, 1, 0), "It halves the feature map.")] * (len(spec.depths) > 1)
    found += [Enlarged("Block 1 of group 1", _fused(spec, 0, 0), "The first block of the network.")]
    return Plan((*_stages(spec, deep), head), panels(found))


def _fused(spec: DeeplyFused, group: int, index: int) -> Part:
    block = _block(spec, group, index)
    shallow = _shallow(spec.lines, block)
    on_skip, on_branch = merged(spec.merge)
    deep: Part = _deep(spec.lines, block)
    if spec.branches > 1:
        deep = Fork(several(deep, spec.branches, "deep lines"), SUM)
    if spec.path:
        kept = spec.path[sum(spec.depths[:group]) + index]
        body: Part = shallow if kept == "shallow" and shallow is not None else _deep(spec.lines, block)
    else:
        body = joined(chain(deep, on_branch), None if shallow is None else chain(shallow, on_skip))
    return chain(feature_map(block.w_in, "in"), body, words("relu"), feature_map(block.w_out, "out"))


def run_plan(spec: MergeAndRun) -> Plan:
    """Stem, groups and head; a block with its two streams, the first block of group 2, and the last block."""
    stages = list(_stages(spec, "a deep line in each stream"))
    both = 2 if spec.join == "concatenate" else 1
    end = "both streams concatenated, " if both == 2 else ""
    head = f"{end}average pool, fc {both * spec.widths[-1]} \u2192 {spec.num_classes}"
    stages.append(Stage("head", (head,), "join" if both == 2 else "avgpool"))
    group, usual = _usual(spec)
    last = len(spec.depths) - 1
    averaged = "The shallow lines of both streams are averaged, and each stream adds its deep line to the mean."
    found = [_enlarged(spec, group, usual, averaged, of=group + 1)]
    if last > 0:
        found.append(_enlarged(spec, 1, 0, "It halves the feature maps."))
    if spec.join == "add":
        found.append(
            _enlarged(spec, last, spec.depths[-1] - 1, "It has one output, which adds both deep lines.", ends=True)
        )
    sides = zip(("the mean", "the deep line"), merged(spec.merge), strict=True)
    dropped = [
        f"In training, {side} is dropped: {' '.join(one.lines)}." for side, line in sides for one in _boxes(line)
    ]
    both_counted = "Shapes up to the head have the channels of both streams, from the end of the stem."
    return Plan(tuple(stages), tuple(found), notes=(both_counted, *dropped))


def _usual(spec: DeeplyFused | MergeAndRun) -> tuple[int, int]:
    """Group and number of the first block that is not the first of its group; both from 0."""
    return next(((group, 1) for group, depth in enumerate(spec.depths) if depth > 1), (0, 0))


def _enlarged(
    spec: MergeAndRun, group: int, index: int, about: str, *, of: int | None = None, ends: bool = False
) -> Panel:
    block = _block(spec, group, index)
    alone = " It has no shallow line." if _shallow(spec.lines, block) is None else ""
    title = "Last block" if ends else f"Block {index + 1} of group {group + 1}"
    return Panel(title, _streams(spec, block, ends=ends), about + alone, of)


def _streams(spec: MergeAndRun, block: Block, *, ends: bool = False) -> Grid:
    """Columns: deep line 1, shallow line 1, mean, shallow line 2, deep line 2."""
    grid, deep, shallow = Grid(), _boxes(_deep(spec.lines, block)), _shallow(spec.lines, block)
    side = [] if shallow is None else _boxes(shallow)
    inputs = [grid.add("map", f"{block.w_in}-d, stream {i + 1}", column=4 * i, row=0) for i in (0, 1)]
    mean = None
    middle = max(len(side) + 1, (len(deep) + 1) // 2)
    lines = []
    for i, start in enumerate(inputs):
        lines.append(_column(grid, [start], deep, 4 * i))
    if shallow is not None:
        mean = grid.add("gate", "\u00bd (x1 + x2)" if not side else "mean of both", column=2, row=middle)
        for i, start in enumerate(inputs):
            at = _column(grid, [start], side, 1 + 2 * i, skip=True)
            lane = 1 + 2 * i if at == start else None
            grid.edges.append(Edge(at, mean, bend="early" if at == start else "late", lane=lane, side=True, skip=True))
    row = max(len(deep), middle) + 1
    if ends:
        total = grid.add("sum", "+", column=2, row=row)
        grid.edges += [Edge(line, total, side=True) for line in lines]
        grid.edges += [Edge(mean, total, skip=True)] if mean is not None else []
        relu = grid.add("norm", "ReLU", column=2, row=row + 1)
        out = grid.add("map", f"{block.w_out}-d out", column=2, row=row + 2)
        grid.edges += [Edge(total, relu), Edge(relu, out)]
        return grid
    for i, line in enumerate(lines):
        parts = [*([SUM] if mean is not None else []), box("norm", "ReLU")]
        parts.append(box("map", f"{block.w_out}-d, stream {i + 1}"))
        total = len(grid.nodes)
        _column(grid, [line], parts, 4 * i, row=row)
        if mean is not None:
            grid.edges.append(Edge(mean, total, side=True, lane=2, skip=True))
    return grid


def _boxes(line: Chain) -> list[Box]:
    return [part for part in line.parts if isinstance(part, Box)]


def _column(grid: Grid, starts: list[int], boxes: list[Box], column: int, *, row: int = 1, skip: bool = False) -> int:
    """Boxes one below another in a column; the number of the last one, or the start without any."""
    at = starts[0]
    for i, one in enumerate(boxes):
        number = grid.add(one.look, *one.lines, column=column, row=row + i)
        grid.edges.append(Edge(at, number, bend="early", skip=skip))
        at = number
    return at
