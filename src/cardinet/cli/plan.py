"""`cardinet plan`: the base width for each cardinality at the budget of a network."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import typer

from cardinet.cli.options import Json, NoBounds
from cardinet.cli.talk import print_json, show_table, thousands

LARGEST = 4096


def plan(
    like: Annotated[str, typer.Option("--like", metavar="NETWORK", help="The network whose budget the others keep.")],
    cardinality: Annotated[
        str, typer.Option("--cardinality", metavar="1,2,4", help="The cardinalities to try.")
    ] = "1,2,4,8,32",
    budget: Annotated[
        Literal["params", "macs"], typer.Option("--budget", help="The count that stays equal.")
    ] = "params",
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Trade base width for cardinality at an equal budget (Xie et al. 2016, Table 2)."""
    from cardinet.base.errors import Findings, RequestError
    from cardinet.measure.plan import plan as make_plan
    from cardinet.networks.registry import find

    findings = Findings()
    words = [word.strip() for word in cardinality.split(",")]
    with findings:
        if not all(word.isdecimal() and len(word) < 20 and 0 < int(word) <= LARGEST for word in words):
            raise RequestError(
                f'--cardinality "{cardinality}": give whole numbers from 1 to {LARGEST:,}, as in 1,2,4,8,32.'
            )
    with findings:
        row = find(like)
    findings.raise_if_any()
    rows = make_plan(row.spec, tuple(map(int, words)), budget, row.input_size)
    if as_json:
        print_json({"like": row.id, "budget": budget, "rows": [dataclasses.asdict(r) for r in rows]})
        return
    titles = ("cardinality", "base width", "parameters", "MACs", "activations", f"{budget} %")
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
