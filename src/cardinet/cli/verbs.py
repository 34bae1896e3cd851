"""The verbs as one typer application."""

from __future__ import annotations

from typing import Annotated

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
app.command("list")(list_networks.list_networks)
app.command("info")(info.info)
app.command("settings")(settings.settings)
app.command("plan")(plan.plan)
app.command("check-data")(check_data.check_data)
app.command("train")(train.train)
app.command("sweep")(sweep.sweep)
app.command("eval")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.command("reproduce")(reproduce.reproduce)
app.command("rewrite")(rewrite.rewrite)
app.command("bench")(bench.bench)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("push")(push.push)


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
