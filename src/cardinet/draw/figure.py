"""A network as one figure: overview with shapes and exact counts, and its enlarged units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cardinet.draw.kinds import plan_of
from cardinet.draw.layout import laid_out
from cardinet.draw.plan import Plan, Stage
from cardinet.draw.scene import Edge, Figure, Grid
from cardinet.draw.shapes import Drawing
from cardinet.draw.svg import to_svg

if TYPE_CHECKING:
    from cardinet.measure.counts import Counts
    from cardinet.measure.counts import Stage as Counted

COLUMNS = ("output", "parameters", "MACs")


def network_svg(spec: Any, counts: Counts, title: str, about: Sequence[str] = (), notes: Sequence[str] = ()) -> str:
    """The SVG of a network: its description drawn, with its measured counts.

    `about` are lines below the title, `notes` sentences below the figure. The same arguments give the same text.
    """
    return to_svg(network_drawing(spec, counts, title, about, notes))


def network_drawing(
    spec: Any, counts: Counts, title: str, about: Sequence[str] = (), notes: Sequence[str] = ()
) -> Drawing:
    """The same, with the places of all shapes."""
    plan = plan_of(spec) or Plan(tuple(Stage(child.name, ("",), child.name) for child in counts.stages), ())
    grid, rows = _overview(plan, counts)
    totals = f"{counts.params:,} parameters, {counts.macs:,} multiply-adds (MACs) for one picture"
    return laid_out(Figure(title, (*about, totals), grid, rows, plan.panels, (*plan.notes, *notes)))


def _overview(plan: Plan, counts: Counts) -> tuple[Grid, tuple[int, ...]]:
    """The stages one below another, with columns of counts; shortcuts around stages at the left."""
    lanes = _lanes(plan)
    box = len(set(lanes.values()))
    grid, rows = Grid(), []
    for i, name in enumerate(COLUMNS, 1):
        grid.add("total", name, column=box + i, row=0)
    at = grid.add("map", "input", column=box, row=1)
    grid.add("value", _shape(counts.input), column=box + 1, row=1)
    row, entries = 2, []
    for number, (stage, children) in enumerate(zip(plan.stages, shared_out(plan, counts.stages), strict=True)):
        entries.append(at)
        node = grid.add("stage", stage.name, *filter(None, stage.about), column=box, row=row)
        grid.edges.append(Edge(at, node))
        cells = (
            _shape(children[-1].output) if children else "",
            f"{sum(child.params for child in children):,}",
            f"{sum(child.macs for child in children):,}",
        )
        for i, text in enumerate(cells, 1):
            grid.add("value", text, column=box + i, row=row)
        rows.append(row)
        at, row = node, row + 1
        ending = [around for around in plan.around if around.last == number]
        if ending:
            total = grid.add("sum", "+", column=box, row=row)
            grid.edges.append(Edge(at, total))
            for around in ending:
                edge = Edge(entries[around.first], total, bend="early", lane=lanes[around.first, around.last])
                grid.edges.append(Edge(edge.start, total, "early", edge.lane, side=True, skip=True))
            at, row = total, row + 1
    grid.add("heading", "total", column=box, row=row)
    for i, text in enumerate(("", f"{counts.params:,}", f"{counts.macs:,}"), 1):
        grid.add("total", text, column=box + i, row=row)
    return grid, tuple(rows)


def _lanes(plan: Plan) -> dict[tuple[int, int], int]:
    """The column of each shortcut around stages: the longest at the left; those that do not overlap share one."""
    spans = sorted({around.last - around.first for around in plan.around}, reverse=True)
    return {(around.first, around.last): spans.index(around.last - around.first) for around in plan.around}


def shared_out(plan: Plan, children: Sequence[Counted]) -> list[list[Counted]]:
    """The measured children of each stage, in order: those from its first child to that of the next stage.

    A child before the first stage counts as part of it, so that the sums are those of the whole network.
    """
    found: list[list[Counted]] = [[] for _ in plan.stages]
    firsts = [stage.first for stage in plan.stages]
    at = 0
    for child in children:
        at = firsts.index(child.name) if child.name in firsts else at
        found[at].append(child)
    return found


def _shape(shape: Sequence[int]) -> str:
    return " \u00d7 ".join(map(str, shape))
