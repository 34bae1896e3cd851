"""The verbs as one typer application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from cardinet.base.version import __version__
from cardinet.cli import (
    bench,
    check_data,
    evaluate,
    explain,
    export,
    info,
    list_networks,
    plan,
    predict,
    push,
    report,
    reproduce,
    rewrite,
    settings,
    sweep,
    train,
)
from cardinet.cli.talk import show

app = typer.Typer(
    name="cardinet",
    help="The workbench for residual networks: train, resume, evaluate, predict, count.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: Mapping[str, Callable[..., Any]] = {
    "list": list_networks.list_networks,
    "info": info.info,
    "settings": settings.settings,
    "plan": plan.plan,
    "check-data": check_data.check_data,
    "train": train.train,
    "sweep": sweep.sweep,
    "eval": evaluate.evaluate,
    "predict": predict.predict,
    "explain": explain.explain,
    "reproduce": reproduce.reproduce,
    "rewrite": rewrite.rewrite,
    "bench": bench.bench,
    "export": export.export,
    "report": report.report,
    "push": push.push,
}

for name, verb in VERBS.items():
    # Rich reads [space] in a help as a style, and would leave it out.
    app.command(name, help=(verb.__doc__ or "").replace("[", r"\["))(verb)


def _version(asked: bool) -> None:
    if asked:
        show(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The workbench for residual networks: train, resume, evaluate, predict, count."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)
