"""`cardinet train`: train a model on pictures, with a model file and a report, or continue a run."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardinet.base.amounts import amount
from cardinet.cli.declared_options import with_options
from cardinet.cli.options import Engine, Json, NoBounds, Processes, Set
from cardinet.cli.talk import duration, in_short, print_json, say, show
from cardinet.train.plain_options import ROWS, as_settings

if TYPE_CHECKING:
    from cardinet.runs.folder import RunFolder
    from cardinet.train.listener import Listener
    from cardinet.train.request import Request, Resolved


@with_options(ROWS, after="recipe")
def train(
    network: Annotated[str | None, typer.Argument(metavar="[NETWORK]", help="A name from `cardinet list`.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME|FILE", help="A name from `cardinet list --recipes`, or a file."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The new run folder, or the page of --find-lr.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="WEIGHTS", help="Start from a file, torchvision:NAME, timm:NAME or hub:OWNER/REPO."
        ),
    ] = None,
    settings: Set = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(
            "--watch",
            metavar="TRACKER",
            help="Show the run in tensorboard, wandb, mlflow or trackio. Can be given several times.",
        ),
    ] = None,
    find_lr: Annotated[
        bool,
        typer.Option(
            "--find-lr", help="Try rising learning rates for some steps and suggest one. --out FILE.html draws them."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the run. Train nothing.")] = False,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="DIR", help="Continue the run in this folder, exactly.")
    ] = None,
    engine: Engine = "local",
    processes: Processes = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
    **asked: Any,
) -> None:
    """Train a network. Without arguments it trains a small ResNeXt on the embedded digits."""
    started = time.monotonic()
    from cardinet.engines.choice import check_engine

    given = as_settings(**asked)
    check_engine(engine, processes, work="train")
    by = None if engine == "local" else ByRay(processes)
    if resume is not None:
        data = given.pop("data.source", None)
        others = [network, recipe, out, weights, *given.values(), *(settings or [])]
        others_given = any(other is not None for other in others) or dry_run or find_lr
        _resume(resume, data, watch, by, others=others_given, as_json=as_json, started=started)
        return
    from cardinet.train.request import Request

    request = Request(
        network=network,
        recipe=recipe or "quick",
        settings=tuple(given.items()),
        assignments=tuple(settings or ()),
        weights=weights,
        out=out,
        command=shlex.join(["cardinet", *sys.argv[1:]]),
        watch=tuple(watch or ()),
    )
    if find_lr:
        from cardinet.cli.finding_rates import find_rate

        find_rate(request, dry_run=dry_run, alone=by is None, as_json=as_json)
        return
    _start(request, by, dry_run=dry_run, as_json=as_json, started=started)


@dataclass(frozen=True)
class ByRay:
    """A training by so many processes of Ray; None: as many as there are processors or GPUs."""

    processes: int | None


def _start(request: Request, by: ByRay | None, *, dry_run: bool, as_json: bool, started: float) -> None:
    """Check the request, then train, or only show the run."""
    from cardinet.cli.progress import screen
    from cardinet.train.processes import connected_for, resolve_together, train

    if by is not None and not dry_run:
        from cardinet.train.on_ray import train_on_ray

        with screen(True) as shown:
            folder = train_on_ray(request, shown, by.processes, _announcement)
            _finish(folder, as_json, started)
        return
    with connected_for(request.out) as ranks, screen(ranks.leads) as shown:
        if dry_run:
            resolved = resolve_together(request, shown, ranks)
            if ranks.leads:
                _show(resolved, shown, as_json)
            return
        folder = train(request, shown, ranks, lambda resolved: shown.said(_announcement(resolved)))
        if ranks.leads:
            _finish(folder, as_json, started)


def _resume(
    folder: Path,
    data: str | None,
    watch: list[str] | None,
    by: ByRay | None,
    *,
    others: bool,
    as_json: bool,
    started: float,
) -> None:
    from cardinet.base.errors import RequestError
    from cardinet.cli.progress import screen
    from cardinet.train.job import resume
    from cardinet.train.processes import connected_for

    if others:
        weights = shlex.quote(f"{folder}/model.safetensors")
        raise RequestError(
            "--resume continues the same run to its end. It takes no other option, except --watch, --engine with "
            "--processes, and --data if the pictures have moved. To train on with other settings or for longer, start "
            "a new run from its weights: "
            f"cardinet train --weights {weights} ..."
        )
    if by is not None:
        from cardinet.train.on_ray import resume_on_ray

        with screen(True) as shown:
            _finish(resume_on_ray(folder, shown, by.processes, data, watch), as_json, started)
        return
    with connected_for(folder) as ranks, screen(ranks.leads) as shown:
        run = resume(folder, shown, data, ranks=ranks, watch=watch)
        if ranks.leads:
            _finish(run, as_json, started)


def _announcement(resolved: Resolved) -> str:
    task = resolved.task
    splits = ", ".join(f"{len(split):,} {name}" for name, split in task.source.splits.items())
    together = "" if task.ranks.alone else f", divided among {amount(task.ranks.count, 'process')}"
    return (
        f"Training {task.recipe.network.id} on {task.source.text} ({splits}; {len(task.source.classes)} classes), "
        f"recipe {task.recipe.name}, {task.recipe.training.length}, batch {task.clock.batch_size}, "
        f"{task.device} in {task.precision}{together}."
    )


def _finish(folder: RunFolder, as_json: bool, started: float) -> None:
    """Write the report and print the result."""
    from cardinet.report.finished_run import finished
    from cardinet.runs.figure_words import result_words

    run = finished(folder)
    if as_json:
        print_json(
            {"run": str(run.folder), "network": run.network, "model": str(run.model_file), "report": str(run.report)}
            | {"step": run.step, "results": run.results, "seconds": round(time.monotonic() - started, 2)}
        )
        return
    for name, figures in run.results.items():
        show(f"{result_words(name, figures)}, each counted once")
    show(f"model  {run.model_file}")
    show(f"report {run.report}")
    say(f"Done in {duration(time.monotonic() - started)}.")


def _show(resolved: Resolved, shown: Listener, as_json: bool) -> None:
    """Show a run without training: its settings, counts, expected memory and time."""
    from cardinet.measure.counts import count
    from cardinet.train.estimate import estimate
    from cardinet.train.initial_weights import weights_sentences
    from cardinet.train.kernels import is_long
    from cardinet.train.micro_batch import with_parts
    from cardinet.train.threads import kept_choice

    resolved, search = with_parts(resolved, shown)
    task, threads_said = kept_choice(resolved.task)
    if threads_said:
        say(threads_said)
    if task.recipe.machine.kernels == "auto" and is_long(task):
        say("The kernels will be measured when the run starts, in seconds; --set kernels=torch or own names them.")
    for sentence in weights_sentences(task, resolved.network, resolved.weights):
        say(sentence)
    counts = count(resolved.network, task.preprocessing.crop, task.preprocessing.channels)
    expected = estimate(task, resolved.memory)
    document = {
        "network": task.recipe.network.id,
        "recipe": task.in_use.model_dump(mode="json"),
        "preprocessing": task.preprocessing.as_settings(),
        "pictures": {name: len(split) for name, split in task.source.splits.items()},
        "classes": list(task.source.classes),
        "steps": task.clock.length,
        "counts": {
            "params": counts.params,
            "macs": counts.macs,
            "flops": counts.flops,
            "activations": counts.activations,
        },
        "device": task.device,
        "precision": task.precision,
        "expected": expected.to_document(),
    }
    if search is not None:
        document["found_batch"] = search.to_document()
    if as_json:
        print_json(document)
        return
    from cardinet.runs.toml_writer import dumps

    show(*dumps(document, show_unset=True).split("\n"))
    time = "too large to be timed" if expected.seconds is None else f"{duration(expected.seconds)} of training"
    say(
        f"{in_short(counts.params)} parameters, {in_short(counts.macs)} MACs a picture; "
        f"{amount(task.clock.length, 'step')} of "
        f"{amount(task.clock.batch_size, 'picture')}; expected {expected.gigabytes:.2f} GB of memory for a step "
        f"and {time} on "
        "this machine. Nothing was trained or written."
    )
