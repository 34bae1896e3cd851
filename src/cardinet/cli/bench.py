"""`cardinet bench`: what a network costs on this machine, beside what other programs make of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.base.whole_numbers import SIDE, THREADS
from cardinet.cli.options import Device, Json, NoBounds, Set
from cardinet.cli.talk import duration, print_json, say, show, show_table

if TYPE_CHECKING:
    from cardinet.bench.contest import Contest
    from cardinet.bench.growing import Grown
    from cardinet.bench.job import Result
    from cardinet.bench.request import Request


def bench(
    model: Annotated[str, typer.Argument(metavar="NETWORK|MODEL", help="A network name, run folder or model file.")],
    measure: Annotated[
        str, typer.Option("--measure", metavar="NAMES", help="Of inference, training, start (a cold start).")
    ] = "inference",
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="NAMES", help="The other contenders, with commas; all (the default) or none."
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", metavar="NAMES", help="Of float32, bfloat16, int8.")
    ] = "float32",
    batch_size: Annotated[
        str | None,
        typer.Option("--batch-size", metavar="N,N", help="The pictures of a pass. Default: 1,8; with --over 8."),
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", min=1, max=SIDE, metavar="N", help="The side of the picture in pixels."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=THREADS, metavar="N", help="Default: the cores of this process."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", help="The time for the rounds of each batch size and precision.")
    ] = 10.0,
    settings: Set = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The seed of new weights and pictures.")] = 0,
    device: Device = "cpu",
    layers: Annotated[
        bool, typer.Option("--layers", help="Also show where the time of our network goes, by kinds of layers.")
    ] = False,
    over: Annotated[
        str | None,
        typer.Option(
            "--over",
            metavar="AXIS=V,V",
            help="Repeat it for each value: batch-size, input-size, threads, depth, width, or cardinality at equal "
            "MACs. The other contenders are then only those that --against names.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="The file for the page. It must not exist.")
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Measure a network beside other programs that run it: torchvision, timm, torch.compile, ONNX Runtime, OpenVINO.

    All get the same weights and pictures, and run in turn, each in a process of its own. Whose answers differ from our
    network's in float32 is named and not timed. A named network has new weights.
    """
    from cardinet.bench.request import Request

    started = time.monotonic()
    request = Request(
        model=model,
        measures=(measure,),
        against=(against or ("all" if over is None else "none"),),
        precisions=(precision,),
        batch_sizes=(batch_size or ("1,8" if over is None else "8"),),
        input_size=input_size,
        threads=threads,
        seconds=seconds,
        words=tuple(settings or ()),
        seed=seed,
        device=device,
        out=out,
        layers=layers,
    )
    notes = _measure(request, as_json) if over is None else _grow(request, over, as_json)
    say(*notes)
    if out is not None:
        say(f"The page is {out}.")
    say(f"Done in {duration(time.monotonic() - started)}.")


def _measure(request: Request, as_json: bool) -> tuple[str, ...]:
    """Measure one network, and show and write what was found. The notes for the user."""
    from cardinet.bench.job import measure
    from cardinet.bench.request import resolve
    from cardinet.cli.progress import Phases
    from cardinet.report.bench_page import write_page

    asked = resolve(request)
    with Phases() as phases:
        found = measure(asked, phases)
    if request.out is not None:
        write_page(found, request.out)
    if as_json:
        print_json(found.to_document())
    else:
        _print(found)
    return found.notes


def _grow(request: Request, over: str, as_json: bool) -> tuple[str, ...]:
    """Measure along an axis, and show and write what was found. The notes for the user."""
    from cardinet.bench.growing import check, grow
    from cardinet.cli.progress import Phases
    from cardinet.report.growth_page import write_growth_page

    axis, variants = check(over, request)
    with Phases() as phases:
        found = grow(axis, variants, phases)
    if request.out is not None:
        write_growth_page(found, request.out)
    if as_json:
        print_json(found.to_document())
    else:
        _print_growth(found)
    return found.notes


def _print_growth(found: Grown) -> None:
    from cardinet.report.bench_page import machine_text, peaks_text
    from cardinet.report.growth_page import GROWTH_COLUMNS, curve_title, growth_cells, sentences

    show(f"{found.model} over {found.axis.about}", machine_text(found), peaks_text(found))
    for curve in found.curves():
        show("", curve_title(curve))
        sides = ("left", *("right",) * (len(GROWTH_COLUMNS) - 1))
        show_table(dict(zip(GROWTH_COLUMNS, sides, strict=True)), growth_cells(found, curve))  # type: ignore[arg-type]
        show(*sentences(found, curve))


def _print(found: Result) -> None:
    from cardinet.report.bench_layers import LAYER_COLUMNS, layer_cells, layer_title
    from cardinet.report.bench_page import COLUMNS, cells, machine_text, peaks_text

    show(f"{found.model}, pictures of {found.side} x {found.side} pixels", machine_text(found), peaks_text(found))
    for contest in found.contests:
        show("", _title(contest))
        if contest.entries:
            sides = ("left", *("right",) * (len(COLUMNS) - 1))
            show_table(dict(zip(COLUMNS, sides, strict=True)), cells(contest))  # type: ignore[arg-type]
        show(*(f"left out: {name}: {reason}." for name, reason in contest.left_out.items()))
    for layers in found.layers:
        show("", f"Where the time goes: {layer_title(layers)}")
        sides = ("left", *("right",) * (len(LAYER_COLUMNS) - 1))
        show_table(dict(zip(LAYER_COLUMNS, sides, strict=True)), layer_cells(layers))  # type: ignore[arg-type]


def _title(contest: Contest) -> str:
    from cardinet.report.bench_page import title

    rounds = contest.latency.rounds if contest.times else 0
    return f"{title(contest)}: median and quartiles of {rounds} rounds"
