"""FractalNet: the columns of a block and their joins (Larsson et al. 2016, Figure 1)."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.draw.flow import box, chain
from cardinet.draw.layers import convolution
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.draw.scene import Edge, Grid, Panel
from cardinet.networks.families.fractalnet import FractalNet


def plan(spec: FractalNet) -> Plan:
    """Blocks and head; the first block with its columns, and a unit."""
    present = [*range(spec.columns)] if spec.column is None else [spec.column]
    stages = [
        Stage(
            f"block {i}",
            (f"{amount(len(present), 'column')} of {', '.join(str(2**c) for c in present)} units  3\u00d73, {width}",),
            f"layer{i}" if i > 1 else "paths",
        )
        for i, width in enumerate(spec.widths, 1)
    ]
    stages.append(Stage("head", (f"average pool, fc {spec.widths[-1]} \u2192 {spec.num_classes}",), "avgpool"))
    return Plan(tuple(stages), (_block(spec, present), *panels([_unit(spec)])))


def _block(spec: FractalNet, present: list[int]) -> Panel:
    """Rows of units; where the units of several columns end at one level, a join stands below them."""
    levels, width, grid = 2 ** max(present), spec.widths[0], Grid()
    columns = len(present)
    at = {0: grid.add("bar", f"{spec.in_channels}-d in", column=0, row=0, span=columns)}
    row = 0
    for level in range(1, levels + 1):
        row, ending = row + 1, [c for c in present if level % (levels // 2**c) == 0]
        outputs = []
        for c in ending:
            place, w_in = present.index(c), width if level > levels // 2**c else spec.in_channels
            unit = grid.add("conv", f"{w_in}, 3\u00d73, {width}", column=place, row=row)
            grid.edges.append(Edge(at[level - levels // 2**c], unit))
            outputs.append(unit)
            if level == levels:
                pooled = grid.add("pool", "max pool 2\u00d72 /2", column=place, row=row + 1)
                grid.edges.append(Edge(unit, pooled))
                outputs[-1] = pooled
        at[level] = outputs[0]
        row += level == levels
        if len(ending) > 1:
            row, place = row + 1, present.index(ending[0])
            at[level] = grid.add("bar", "join: mean", column=place, row=row, span=columns - place)
            grid.edges += [Edge(output, at[level]) for output in outputs]
    end = grid.add("map", f"{width}-d out", column=0, row=row + 1, span=columns)
    grid.edges.append(Edge(at[levels], end))
    dropped = f" In training a join drops each input with probability {spec.drop_path:g}." if spec.drop_path else ""
    chosen = (
        f" In {100 * spec.global_share:g} % of the steps one column alone is kept in the whole network."
        if spec.global_share
        else ""
    )
    about = f"Each column has twice as many units as the one to its left. A blue box is a unit.{dropped}{chosen}"
    return Panel("Block 1", grid, about, of=0)


def _unit(spec: FractalNet) -> Enlarged:
    rate = f"dropout {spec.dropout[-1]:g} in the last block" if any(spec.dropout) else ""
    dropped = chain(box("drop", rate)) if rate else chain()
    part = chain(
        convolution(spec.in_channels, 3, spec.widths[0]), dropped, box("norm", "BN without scale and shift, ReLU")
    )
    return Enlarged("Unit", part)
