"""A training run from request to model file, and its exact continuation."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.base.settings import validate
from cardinet.blocks.classifier import ResidualClassifier
from cardinet.data.admission import left_out
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source, open_source
from cardinet.evaluate.classification import Evaluation, evaluate
from cardinet.networks.builder import build
from cardinet.networks.part import from_document, to_document
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.environment import EXACT, device_of, hardware, precision_of, versions
from cardinet.runs.folder import RunFolder, RunRecord, new_run, publish
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.train.interrupt import Interrupt, Interrupted
from cardinet.train.listener import Listener
from cardinet.train.loop import Loop, Task
from cardinet.train.optimizer import make_optimizer
from cardinet.train.recipe import make_recipe
from cardinet.train.request import Resolved
from cardinet.train.schedule import clock
from cardinet.train.state import Progress, restore
from cardinet.weights.match import load_matching

WORST_MISTAKES = 24
THUMBNAIL = 160


def start(resolved: Resolved, listener: Listener) -> RunFolder:
    """Run a resolved request to its end. Returns the run folder; its last checkpoint exists from the first moment."""
    task = resolved.task
    prepare_machine(task)
    network = build(task.spec, init=task.recipe.network.init).to(task.device)
    if resolved.weights is not None:
        for sentence in load_matching(network, resolved.weights).sentences():
            listener.said(sentence)
    optimizer = make_optimizer(network, task.recipe.optimizer)
    data = Path(task.source.text.rpartition(":")[2]).name.split(".")[0] or "data"
    out = resolved.request.out
    with new_run(out, f"{task.recipe.network.id}-{data}") as (making, target):
        making.write_record(make_record(resolved))
        Loop(task, network, optimizer, Progress(), making, listener).save()
        folder = publish(making, target, numbered=out is None)
        listener.said(f"Run folder: {folder.path}")
        work(task, network, optimizer, Progress(), folder, listener)
    return folder


def resume(path: Path, listener: Listener) -> RunFolder:
    """Continue a run from its last checkpoint, bit for bit.

    Raises RequestError or WorkError, with all that is wrong at once, when versions, hardware, data or the
    folder do not allow the same bits.
    """
    folder = RunFolder(path)
    record = folder.record()
    if not folder.last.exists():
        raise RequestError(f"{path} has no checkpoint, so there is nothing to resume; start it again.")
    with folder.locked():
        task = task_of(record)
        prepare_machine(task)
        network = build(task.spec, init=task.recipe.network.init).to(task.device)
        optimizer = make_optimizer(network, task.recipe.optimizer)
        tensors, state = load_checkpoint(folder.last)
        restore(network, optimizer, tensors)
        folder.cut_metrics(state["metrics_bytes"])
        progress = Progress.from_document(state)
        if progress.step >= task.clock.length and folder.evaluation.exists():
            listener.said(
                f"{path} is finished ({progress.step} steps). To train on: --weights {quote(str(folder.model))}."
            )
            return folder
        listener.said(f"Resuming {path} after step {progress.step} of {task.clock.length}.")
        work(task, network, optimizer, progress, folder, listener)
    return folder


def work(
    task: Task,
    network: ResidualClassifier,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    folder: RunFolder,
    listener: Listener,
) -> None:
    """Train to the last step, then evaluate what was kept.

    Raises Interrupted also where the user stops it at once: by a second Ctrl-C, or in the last evaluation.
    """
    again = f"cardinet train --resume {quote(str(folder.path))}"
    try:
        with Interrupt() as interrupt:
            Loop(task, network, optimizer, progress, folder, listener).run(interrupt)
        finish(task, folder, listener)
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped at once; what was saved before is intact. Go on with: {again}") from None
    except RuntimeError as error:
        # torch's signal handler raises this wherever the main thread happens to be.
        if "DataLoader worker" not in str(error):
            raise
        raise WorkError(
            f"A process that decodes pictures has died, most often because the memory was used up. Go on with: {again}"
        ) from error


def prepare_machine(task: Task) -> None:
    """Set what a run's bits depend on: seed, threads, deterministic kernels."""
    machine = task.recipe.machine
    torch.set_num_threads(machine.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.manual_seed(machine.seed)


def make_record(resolved: Resolved) -> RunRecord:
    """What run.toml will say."""
    task = resolved.task
    splits = task.source.splits
    return RunRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=resolved.request.command,
        network=task.recipe.network.id,
        spec=to_document(task.spec),
        recipe=task.recipe.model_dump(mode="json"),
        source=task.source.text,
        fingerprint=task.source.fingerprint,
        classes=task.source.classes,
        pictures={name: len(split) for name, split in splits.items()},
        totals={name: split.total for name, split in splits.items()},
        skipped=resolved.skipped,
        preprocessing=task.preprocessing.model_dump(mode="json"),
        steps=task.clock.length,
        steps_per_epoch=task.clock.steps_per_epoch,
        device=task.device,
        precision=task.precision,
        threads=task.recipe.machine.threads,
        notes=resolved.notes,
        versions=versions(),
        hardware=hardware(task.device),
    )


def task_of(record: RunRecord) -> Task:
    """The task of a run.toml, on the data as it is now. Raises when it would not be the same run."""
    wrong = [
        f"The run was made with {name} {record.versions.get(name)}, this is {version}; install the same to resume."
        for name, version in versions().items()
        if name in EXACT and record.versions.get(name) != version
    ]
    try:
        device_of(record.device)
        precision_of(record.precision, record.device)
    except RequestError as error:
        wrong += error.findings
    if wrong:
        raise RequestError(*wrong)
    recipe = make_recipe(record.recipe)
    source = open_run_source(record)
    batch_size = min(recipe.training.batch_size, len(source.splits["train"]))
    times = clock(recipe, len(source.splits["train"]) // batch_size, batch_size)
    spec = from_document(record.spec)
    preprocessing = validate(Preprocessing, record.preprocessing)
    return Task(recipe, times, spec, source, preprocessing, record.device, record.precision)


def open_run_source(record: RunRecord) -> Source:
    """The data of a run, without the pictures that it skipped. Raises WorkError when it has changed."""
    recipe = make_recipe(record.recipe)
    source = open_source(recipe.data.source, recipe.data)
    if source.fingerprint != record.fingerprint:
        raise WorkError(
            f"The data {record.source} has changed since the run began (names, sizes or classes differ). Put it back "
            "as it was to resume, or start a new run."
        )
    return left_out(source, frozenset(record.skipped), recipe.data) if record.skipped else source


def finish(task: Task, folder: RunFolder, listener: Listener) -> None:
    """Evaluate the kept model on validation and test, and write the model file and evaluation.json."""
    model = load_model(folder.model, task.device)
    results: dict[str, Evaluation] = {}
    for name in ("validation", "test"):
        if name in task.source.splits:
            listener.progress(f"evaluating {name}", 0, len(task.source.splits[name]))
            results[name] = evaluate(
                model.network,
                task.source.splits[name],
                task.preprocessing,
                len(task.source.classes),
                workers=task.recipe.machine.workers,
                device=task.device,
            )
    figures = {name: result.summary() for name, result in results.items()}
    save_model(folder.model, Model(**{**vars(model), "training": {**model.training, **figures}}))
    document: dict[str, Any] = {"results": figures, "step": model.training["step"]}
    if results:
        shown = results.get("test", results.get("validation"))
        assert shown is not None
        document["confusion"] = {name: result.confusion.tolist() for name, result in results.items()}
        document["mistakes"] = worst_mistakes(task.source, shown)
    write_atomic(folder.evaluation, json.dumps(document))


def worst_mistakes(source: Source, result: Evaluation) -> list[dict[str, Any]]:
    """The mistakes of which the network was most sure, as small pictures."""
    split = source.splits[result.split]
    wrong = [i for i in range(len(split)) if result.predicted[i] != result.truth[i]]
    wrong.sort(key=lambda i: -result.confidence[i])
    return [
        {
            "name": split.names[i],
            "truth": source.classes[result.truth[i]],
            "predicted": source.classes[result.predicted[i]],
            "confidence": float(result.confidence[i]),
            "confidence_of_truth": float(result.confidence_of_truth[i]),
            **_thumbnail(split.picture(i)),
        }
        for i in wrong[:WORST_MISTAKES]
    ]


def _thumbnail(image: Any) -> Mapping[str, Any]:
    image = image.convert("L" if image.mode in ("L", "1") else "RGB")
    width, height = image.size
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"png": base64.b64encode(buffer.getvalue()).decode(), "width": width, "height": height}
