"""`cardinet plan`: the networks on the front at a budget, or the base width for each cardinality at an equal one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.base.amounts import amount
from cardinet.base.whole_numbers import SIDE
from cardinet.cli.options import Json, NoBounds
from cardinet.cli.progress import Line
from cardinet.cli.talk import print_json, say, show_table, thousands

if TYPE_CHECKING:
    from cardinet.measure.front import Candidate
    from cardinet.measure.plan_words import PlanWords

Words = str | None


def plan(
    like: Annotated[
        Words, typer.Option("--like", metavar="NETWORK", help="A network: keep its budget, or compare its variants.")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="KIND=LIMIT",
            help="A limit: params=25M, macs=4e9, activations=10M, memory=500MB or latency=20ms. Repeatable. params or "
            "macs alone keeps this count of --like equal.",
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option("--family", metavar="NAME", help="Compare a family, or names of a pattern. Repeatable."),
    ] = None,
    depth: Annotated[
        Words, typer.Option("--depth", metavar="0.5,1,2", help="Factors for the number of units of --like.")
    ] = None,
    width: Annotated[
        Words, typer.Option("--width", metavar="0.5,1,2", help="Factors for the widths of the stages of --like.")
    ] = None,
    cardinality: Annotated[
        Words, typer.Option("--cardinality", metavar="1,2,4", help="The cardinalities of --like to try.")
    ] = None,
    capacity: Annotated[
        list[str] | None,
        typer.Option(
            "--capacity",
            metavar="KIND",
            help="What more of is better: params, macs, activations or depth. Repeatable; default: params and depth.",
        ),
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", min=1, max=SIDE, metavar="N", help="The side of the picture in pixels."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, metavar="N", help="The pictures of a pass, for memory and latency.")
    ] = 1,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE.svg", help="Draw the front into this new file.")
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """List the networks on the front at a budget, or trade base width for cardinality at an equal budget.

    On the front no other network costs at most as much and has at least the same capacities. These are counts, not
    accuracy. Without a limit the budget of --like stays equal (Xie et al. 2016, Table 2).
    """
    from cardinet.measure.plan_words import PlanWords

    words = PlanWords(
        limits=tuple(budget or ()),
        families=tuple(family or ()),
        like=like,
        depth=depth,
        width=width,
        cardinality=cardinality,
        capacities=tuple(capacity or ()),
        input_size=input_size,
        batch=batch_size,
        draw=draw,
    )
    if words.keeps_equal:
        _show_equal(words, as_json=as_json)
    else:
        _show_front(words, as_json=as_json)


def _show_equal(words: PlanWords, *, as_json: bool) -> None:
    from cardinet.measure.plan import plan as make_plan

    asked = words.equal_budget()
    rows = make_plan(asked.like.spec, asked.cardinalities, asked.budget, asked.like.input_size)
    if as_json:
        print_json({"like": asked.like.id, "budget": asked.budget, "rows": [dataclasses.asdict(row) for row in rows]})
        return
    titles = ("cardinality", "base width", "parameters", "MACs", "activations", f"{asked.budget} %")
    show_table(
        dict.fromkeys(titles, "right"),
        (
            (
                str(r.cardinality),
                str(r.base_width),
                *map(thousands, (r.params, r.macs, r.activations)),
                f"{r.difference:+.2f}",
            )
            for r in rows
        ),
    )


def _show_front(words: PlanWords, *, as_json: bool) -> None:
    from cardinet.base.files import write_atomic
    from cardinet.measure.front import front_of
    from cardinet.report.front_drawing import front_svg, sentences

    request, line = words.front(), Line()
    found = front_of(
        request, lambda work, done, total: line.show(f"{work} {done} of {amount(total, 'network')}", done, total)
    )
    line.clear()
    say(*sentences(found))
    if words.draw is not None:
        write_atomic(words.draw, front_svg(found))
        say(f"drawn: {words.draw}")
    if as_json:
        print_json(found.to_document())
        return
    memory, latency = ("memory" in found.limits), ("latency" in found.limits)
    titles = ["parameters", "MACs", "activations", "depth", *["memory"] * memory, *["latency"] * latency]
    show_table({"network": "left", **dict.fromkeys(titles, "right")}, map(_cells, found.on))


def _cells(one: Candidate) -> list[str]:
    """The names of equal networks one below another, and the counts."""
    cells = ["\n".join(one.names), *map(thousands, (one.params, one.macs, one.activations, one.depth))]
    if one.memory is not None:
        cells.append(f"{one.memory / 1e6:,.0f} MB")
    if one.latency is not None:
        cells.append(f"{1000 * one.latency:.3g} ms")
    return cells
