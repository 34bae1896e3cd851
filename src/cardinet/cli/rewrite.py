"""`cardinet rewrite`: a model in another form with the same, proven function; or a smaller model."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardinet.base.amounts import amount
from cardinet.cli.declared_options import with_options
from cardinet.cli.options import Json, NoBounds, Set
from cardinet.cli.talk import duration, print_json, say, show, show_table, thousands
from cardinet.rewriting.kinds import KINDS, options

if TYPE_CHECKING:
    from cardinet.rewriting.job import Rewritten
    from cardinet.rewriting.pruning import Pruned
    from cardinet.rewriting.request import Prepared, Request


@with_options(options(), after="out")
def rewrite(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The new model file. It must not exist.")],
    settings: Set = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="Real pictures. Default: those of the run.")
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
    **asked: Any,
) -> None:
    """Rewrite a model, and prove that it is the same function.

    Several rewrites are applied in the order of this list. Each is proven in float64 and float32, on random pictures
    and on real ones if there are any. If the answers differ by more than rounding, nothing is written. With other
    classes the proof is about the classes that stay; with other channels the pictures have equal channels. A deeper or
    wider model starts with the same function; train it further with `train --weights`. --prune trains the network. It
    changes the function, and tries to keep the error. --set changes its recipe, and `train --resume` continues it.
    """
    from cardinet.rewriting.request import Request, Training, resolve

    request = Request(
        model=model,
        out=out,
        rewrites={name: asked[name] for name in KINDS if asked[name] not in (None, False)},
        seed=asked["seed"],
        data=data,
        prune=asked["prune"],
        training=Training(asked["keep_macs"], asked["epochs"], tuple(settings or ())),
    )
    prepared = resolve(request)
    say(*prepared.notes)
    if request.prune:
        _prune(request, prepared, as_json=as_json)
    else:
        _rewrite(request, prepared, as_json=as_json)


def _rewrite(request: Request, prepared: Prepared, *, as_json: bool) -> None:
    from cardinet.cli.progress import Bar
    from cardinet.rewriting.job import rewrite

    with Bar("proving") as bar:
        done = rewrite(prepared, request.out, bar)
    say(*done.notes)
    if as_json:
        print_json(done.to_document())
    else:
        _print(done)


def _print(done: Rewritten) -> None:
    from cardinet.rewrite.module_edits import names_by_reason

    before, after = done.before, done.after
    show(str(done.path))
    show_table(
        {"": "left", "before": "right", "after": "right"},
        (
            ("parameters", thousands(before.params), thousands(after.params)),
            ("MACs", thousands(before.macs), thousands(after.macs)),
            ("milliseconds a picture", f"{before.milliseconds:.2f}", f"{after.milliseconds:.2f}"),
        ),
    )
    for one in done.steps:
        arguments = ", ".join(f"{key}={_short(str(value))}" for key, value in one.step.arguments.items())
        differences = "; ".join(
            f"{proof.float64:.1e} in float64, {proof.float32:.1e} in float32 on {proof.pictures} {kind} pictures"
            for kind, proof in one.proofs.items()
        )
        say(f"{one.step.name}({arguments}): largest relative difference of the logits {differences}.")
        for names, why in names_by_reason(one.stays):
            say(f"  unchanged: {names}, because {why}.")


def _short(text: str) -> str:
    """The beginning of a long value, such as the rows of thousands of classes."""
    return text if len(text) <= 100 else f"{text[:100]}..."


def _prune(request: Request, prepared: Prepared, *, as_json: bool) -> None:
    from cardinet.cli.progress import Screen
    from cardinet.report.run_report import write_report
    from cardinet.rewriting.pruning import prune, resolve

    started, screen = time.monotonic(), Screen()
    try:
        resolved = resolve(request, prepared.model, screen, shlex.join(["cardinet", *sys.argv[1:]]))
        for note in resolved.notes:
            screen.said(note)
        done = prune(resolved, prepared.model, request.out, screen)
    finally:
        screen.close()
    write_report(done.run)
    if as_json:
        print_json(done.to_document())
    else:
        _print_pruned(done)
    say(f"Done in {duration(time.monotonic() - started)}.")


def _print_pruned(done: Pruned) -> None:
    """Print the counts and errors before and after."""
    from cardinet.runs.figure_words import measure_words

    before, after = done.before, done.after
    show(str(done.path))
    show(f"parameters  {thousands(before.params)} before, {thousands(after.params)} after")
    show(
        f"MACs        {thousands(before.macs)} before, {thousands(after.macs)} after: "
        f"{100 * after.macs / before.macs:.1f} % kept"
    )
    for name, figures in done.results.items():
        first = f"{measure_words(done.earlier[name])[1]} before, " if name in done.earlier else ""
        kind, value = measure_words(figures)
        show(f"{name} {kind}  {first}{value} after, of {amount(figures['count'], 'picture')}")
    say(f"Run folder: {done.run.path}")
