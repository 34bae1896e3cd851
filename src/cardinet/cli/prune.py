"""`cardinet rewrite --prune`: a training run in which a model loses channels, and the smaller model of it."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardinet.cli.options import plain
from cardinet.cli.talk import duration, print_json, say, show, thousands

if TYPE_CHECKING:
    from cardinet.runs.folder import RunFolder
    from cardinet.runs.model_file import Model

Prune = Annotated[
    bool, typer.Option("--prune", help="Fewer channels by ResRep: a training run of its own, by --recipe prune.")
]
KeepMacs = Annotated[
    float | None,
    typer.Option("--keep-macs", metavar="X", help="With --prune: the share of the MACs that stays (0.5)."),
]
Epochs = Annotated[float | None, typer.Option("--epochs", metavar="N", help="With --prune: how long.")]


def pruning_settings(keep_macs: float | None, epochs: float | None, seed: int | None) -> dict[str, Any]:
    """The options of a pruning as settings of its run; what was not given is the recipe's."""
    asked = {
        "methods.Pruning.keep_macs": keep_macs,
        "training.length": None if epochs is None else f"{plain(epochs)} epochs",
        "machine.seed": seed,
    }
    return {key: value for key, value in asked.items() if value is not None}


def prune(
    model: str,
    before: Model,
    data: str | None,
    asked: Mapping[str, Any],
    assignments: list[str] | None,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Prune a model on its own pictures or those of --data; `asked` are settings of the run.

    The run folder stays in runs/. Raises RequestError with everything that does not fit before any work, WorkError
    where the target was not reached, and Interrupted where the user stops it, after which no `out` is written.
    """
    from cardinet.base.errors import WorkError
    from cardinet.base.files import write_atomic
    from cardinet.cli.progress import Screen
    from cardinet.evaluate.matching import check_classes
    from cardinet.report.write import write_report
    from cardinet.train.interrupt import Interrupted
    from cardinet.train.job import start
    from cardinet.train.request import Request, resolve

    started = time.monotonic()
    settings = {**settings_of_model(model, before, data), **asked}
    request = Request(
        recipe="prune",
        settings=tuple(settings.items()),
        assignments=tuple(assignments or ()),
        weights=model,
        command=shlex.join(["cardinet", *sys.argv[1:]]),
    )
    screen = Screen()
    try:
        resolved = resolve(request, screen)
        check_classes(before, resolved.task.source)
        for note in resolved.notes:
            screen.said(note)
        folder = start(resolved, screen)
    except Interrupted as stopped:
        then = f"The smaller model is model.safetensors there in the end; {out} is not written."
        raise Interrupted(*stopped.findings, then) from None
    finally:
        screen.close()
    if out.exists():
        raise WorkError(f"{out} was made by something else meanwhile, and stays; the smaller model is {folder.model}.")
    write_atomic(out, folder.model.read_bytes())
    write_report(folder)
    _finish(before, folder, out, as_json=as_json)
    say(f"Done in {duration(time.monotonic() - started)}.")


def settings_of_model(model: str, before: Model, data: str | None) -> dict[str, Any]:
    """The settings that a run has to share with the model: its description, preprocessing and pictures.

    Raises RequestError for a folded model and where no pictures are named, WorkError where a run's own have changed.
    """
    from cardinet.base.errors import Findings, RequestError
    from cardinet.networks.document import to_document
    from cardinet.rewrite.registry import folded
    from cardinet.runs.folder import RunFolder
    from cardinet.runs.pictures import open_pictures

    findings, about = Findings(), before.preprocessing
    pictures: dict[str, Any] = {"data.source": data}
    with findings:
        if folded(before.rewrites):
            names = ", ".join(step.name for step in before.rewrites)
            raise RequestError(
                f"{model} is rewritten already ({names}), and without BN it would not train; prune the model from "
                "before that, or what `cardinet rewrite --unfold` makes of this one."
            )
    with findings:
        if data is None and not (Path(model) / "run.toml").exists():
            raise RequestError("Name the pictures to prune on with --data; only a run folder knows its own.")
        if data is None:
            record = RunFolder(Path(model)).record()
            open_pictures(record)
            recorded = record.recipe.get("data", {})
            pictures = {f"data.{key}": value for key, value in recorded.items() if value is not None}
    findings.raise_if_any()
    name = str(before.training.get("network", "model")).removesuffix("-pruned")
    name = (
        name if re.fullmatch(r"[\w-][\w.-]*", name) else "model"
    )  # a folder's name: a file of others may say anything
    return pictures | {
        "network.id": f"{name}-pruned",
        "network.spec": to_document(before.spec),
        "network.rewrites": [step.to_document() for step in before.rewrites],
        "network.delta": {} if before.rewrites else {"in_channels": before.spec.in_channels},
        "preprocessing.size": about.crop,
        "preprocessing.resize": about.resize,
        "preprocessing.mean": list(about.mean),
        "preprocessing.std": list(about.std),
        "preprocessing.interpolation": about.interpolation,
        "preprocessing.antialias": about.antialias,
    }


def measured_before(model: Model, results: Mapping[str, Any]) -> dict[str, Any]:
    """What the model file says of its error on the same pictures: splits with as many of them."""
    known = {name: model.training.get(name) for name in results}
    return {
        name: figures
        for name, figures in known.items()
        if isinstance(figures, dict) and "error" in figures and figures.get("count") == results[name]["count"]
    }


def _finish(before: Model, folder: RunFolder, out: Path, *, as_json: bool) -> None:
    """Print what was lost and what was kept."""
    from cardinet.measure.counts import count
    from cardinet.rewrite.flow import on_meta
    from cardinet.runs.model_file import empty_network
    from cardinet.runs.results import final_results

    side, channels = before.preprocessing.crop, before.preprocessing.channels
    counts = [count(on_meta(one), side, channels) for one in (before.network, empty_network(folder.model))]
    results = final_results(folder.evaluation).figures()
    earlier = measured_before(before, results)
    if as_json:
        then, now = ({"params": one.params, "macs": one.macs} for one in counts)
        print_json({"model": str(out), "run": str(folder.path), "before": then | earlier, "after": now | results})
        return
    was, is_now = counts
    share = f"{100 * is_now.macs / was.macs:.1f} % kept"
    show(str(out))
    show(f"parameters  {thousands(was.params)} before, {thousands(is_now.params)} after")
    show(f"MACs        {thousands(was.macs)} before, {thousands(is_now.macs)} after: {share}")
    for name, figures in results.items():
        first = f"{100 * earlier[name]['error']:.2f} % before, " if name in earlier else ""
        show(f"{name} error  {first}{100 * figures['error']:.2f} % after, of {figures['count']:,} pictures")
    say(f"Run folder: {folder.path}")
