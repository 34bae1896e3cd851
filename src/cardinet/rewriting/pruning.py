"""Prune a model: a training run in which it loses channels, and the smaller model at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.base.whole_numbers import without_exponent
from cardinet.build.meta import on_meta
from cardinet.evaluate.matching import check_classes
from cardinet.measure.counts import Counts, count
from cardinet.networks.document import to_document
from cardinet.rewrite.steps import norms_are_folded
from cardinet.rewrite.temperature import NAME as TEMPERATURE
from cardinet.rewriting.request import Request, Training
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, empty_network
from cardinet.runs.results import final_results
from cardinet.runs.run_pictures import open_pictures
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.request import Request as Run
from cardinet.train.request import Resolved
from cardinet.train.request import resolve as resolve_run


@dataclass(frozen=True, eq=False)
class Pruned:
    """The smaller model, the folder of its run, the counts before and after, and the figures of its splits.

    `earlier` has the figures of the model before, on the same pictures.
    """

    path: Path
    run: RunFolder
    before: Counts
    after: Counts
    earlier: Mapping[str, Any]
    results: Mapping[str, Any]

    def to_document(self) -> dict[str, Any]:
        """Plain data."""
        then, now = ({"params": one.params, "macs": one.macs} for one in (self.before, self.after))
        document = {"model": str(self.path), "run": str(self.run.path)}
        return document | {"before": {**then, **self.earlier}, "after": {**now, **self.results}}


def resolve(request: Request, before: Model, listener: Listener, command: str = "") -> Resolved:
    """The training run that prunes a model on the pictures of its run or of `data`. Its folder records `command`.

    Raises RequestError or WorkError with all faults.
    """
    settings = {**settings_of_model(request.model, before, request.data), **settings_of(request.training, request.seed)}
    resolved = resolve_run(
        Run(
            recipe="prune",
            settings=tuple(settings.items()),
            assignments=request.training.words,
            weights=request.model,
            command=command,
        ),
        listener,
    )
    check_classes(before, resolved.task.source)
    return resolved


def prune(resolved: Resolved, before: Model, out: Path, listener: Listener) -> Pruned:
    """Train, and write the smaller model. The run folder is kept.

    Raises WorkError if the target was not reached, and Interrupted if the user stops it. Then `out` is not written.
    """
    try:
        run = start(resolved, listener)
    except Interrupted as stopped:
        then = f"At the end of the run the smaller model is model.safetensors in its folder; {out} is not written."
        raise Interrupted(*stopped.findings, then) from None
    if out.exists():
        raise WorkError(
            f"{out} was written by another program meanwhile and is kept; the smaller model is {run.model}."
        )
    write_atomic(out, run.model.read_bytes())
    side, channels = before.preprocessing.crop, before.preprocessing.channels
    first, second = (count(on_meta(one), side, channels) for one in (before.network, empty_network(run.model)))
    results = final_results(run.evaluation).figures()
    return Pruned(out, run, first, second, measured_before(before, results), results)


def settings_of(training: Training, seed: int | None = None) -> dict[str, Any]:
    """The options of a pruning as settings of its run. The recipe gives the others."""
    asked = {
        "methods.Pruning.keep_macs": training.keep_macs,
        "training.length": None if training.epochs is None else f"{without_exponent(training.epochs)} epochs",
        "machine.seed": seed,
    }
    return {key: value for key, value in asked.items() if value is not None}


def settings_of_model(model: str, before: Model, data: str | None) -> dict[str, Any]:
    """The settings that a run must share with the model: its description, preprocessing and pictures.

    Raises RequestError for a folded model or if no pictures are named, and WorkError if the pictures of a run have
    changed.
    """
    findings, about = Findings(), before.preprocessing
    pictures: dict[str, Any] = {"data.source": data}
    with findings:
        if norms_are_folded(before.rewrites):
            names = ", ".join(step.name for step in before.rewrites)
            raise RequestError(
                f"{model} has no BN after its rewrites ({names}), and would not train without it; prune the model from "
                "before these rewrites, or restore BN first with `cardinet rewrite --unfold`."
            )
    with findings:
        if data is None and not (Path(model) / "run.toml").exists():
            raise RequestError("Give the pictures to prune on with --data; only a run folder knows its own.")
        if data is None:
            record = RunFolder(Path(model)).record()
            open_pictures(record)
            recorded = record.recipe.get("data", {})
            pictures = {f"data.{key}": value for key, value in recorded.items() if value is not None}
    findings.raise_if_any()
    name = str(before.training.get("network", "model")).removesuffix("-pruned")
    name = (
        name if re.fullmatch(r"[\w-][\w.-]*", name) else "model"
    )  # a name for a folder: a foreign file may have any text here
    rewrites = [step for step in before.rewrites if step.name != TEMPERATURE]  # the new answers need a new one
    return pictures | {
        "network.id": f"{name}-pruned",
        "network.spec": to_document(before.spec),
        "network.rewrites": [step.to_document() for step in rewrites],
        "network.delta": {} if rewrites else {"in_channels": before.spec.in_channels},
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
