"""`cardinet info`: the exact counts of a network or a model file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardinet.base.amounts import amount
from cardinet.base.whole_numbers import SIDE
from cardinet.cli.options import Json, NoBounds, Set
from cardinet.cli.talk import in_short, print_json, say, show, show_table, thousands

if TYPE_CHECKING:
    from cardinet.measure.counts import Counts


def info(
    model: Annotated[str, typer.Argument(metavar="NETWORK|MODEL", help="A network name, run folder or model file.")],
    settings: Set = None,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", min=1, max=SIDE, metavar="N", help="The side of the picture in pixels."),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option("--draw", metavar="FILE.svg", help="Draw the network into this new file: stages, units, counts."),
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Count parameters, MACs, FLOPs and activations, stage by stage.

    Some papers count another form of the network than the one that is trained (RepVGG, ResRep). Both are counted then.
    """
    from cardinet.base.errors import Findings
    from cardinet.base.files import write_atomic
    from cardinet.base.output_paths import check_new_drawing
    from cardinet.report.model_drawing import model_svg
    from cardinet.report.model_facts import model_facts

    findings = Findings()
    with findings:
        if draw is not None:
            check_new_drawing(draw)
    with findings:
        found = model_facts(model, settings or (), input_size)
    findings.raise_if_any()
    say(*found.notes)
    if draw is not None:
        write_atomic(draw, model_svg(found, settings or ()))
        say(f"drawn: {draw}")
    if as_json:
        print_json(found.to_document())
    else:
        _print(found.facts, found.counts)


def _listed(thresholds: Mapping[str, float], most: int = 20) -> str:
    """The thresholds of the first classes."""
    first = [f"{name} {value:.3g}" for name, value in list(thresholds.items())[:most]]
    return ", ".join([*first, *([f"... ({len(thresholds):,})"] if len(thresholds) > most else [])])


def _print(about: Mapping[str, Any], counts: Counts) -> None:
    channels, height, width = counts.input
    known = ", ".join(str(about[key]) for key in ("family", "paper", "file") if key in about)
    show(f"{about['id']}  ({known}), input {channels} x {height} x {width}")
    show(f"parameters   {thousands(counts.params)}")
    show(f"MACs         {thousands(counts.macs)}  ({in_short(counts.macs)})")
    show(f"FLOPs        {thousands(counts.flops)}  (2 x MACs)")
    show(f"activations  {thousands(counts.activations)}  (outputs of convolution and linear layers)")
    for form, totals in about.get("forms", {}).items():
        params, macs = thousands(totals["params"]), thousands(totals["macs"])
        shown = "; this table shows it" if form == about.get("form") else ""
        show(f"{form + ' form':<16} {params} parameters, {macs} MACs{shown}")
    if "reading" in about:
        show(f"reading      {about['reading']}")
    from cardinet.runs.figure_words import measure_words

    for name in ("validation", "test"):
        figures = about.get("training", {}).get(name)
        if figures:
            kind, value = measure_words(figures)
            show(f"{name} {kind} {value} of {amount(figures['count'], 'picture')}")
    if thresholds := about.get("thresholds"):
        show(f"labels       several for each picture; a label is given from its threshold on: {_listed(thresholds)}")
    right: tuple[Literal["left", "right"], ...] = ("left", "left", "right", "right", "right")
    columns = dict(zip(("stage", "output", "parameters", "MACs", "activations"), right, strict=True))
    show("")
    show_table(
        columns,
        (
            (
                stage.name,
                " x ".join(map(str, stage.output)),
                *map(thousands, (stage.params, stage.macs, stage.activations)),
            )
            for stage in counts.stages
        ),
    )
