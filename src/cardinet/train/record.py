"""Convert a task to the run.toml that determines every bit of the run, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.data.augmenting import in_order
from cardinet.data.draws import DRAWS_VERSION
from cardinet.networks.document import from_document, to_document
from cardinet.networks.spec import NetworkSpec
from cardinet.rewrite.steps import steps_from_document
from cardinet.runs.environment import EXACT, device_of, device_on, hardware, precision_of, require_one_process, versions
from cardinet.runs.folder import RunFolder, RunRecord
from cardinet.runs.ranks import ALONE, Ranks, launch_id
from cardinet.runs.run_pictures import open_pictures
from cardinet.train.callbacks import names_of
from cardinet.train.clock import make_clock
from cardinet.train.recipe import make_recipe
from cardinet.train.request import Resolved
from cardinet.train.task import Task
from cardinet.train.watching import to_documents


def make_record(resolved: Resolved) -> RunRecord:
    """The record for run.toml."""
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
        preprocessing=task.preprocessing,
        steps=task.clock.length,
        steps_per_epoch=task.clock.steps_per_epoch,
        device=task.device if task.ranks.alone else task.device.partition(":")[0],
        precision=task.precision,
        threads=task.recipe.machine.threads,
        notes=resolved.notes,
        rewrites=tuple(step.to_document() for step in task.rewrites),
        draws=DRAWS_VERSION,
        callbacks=names_of(resolved.callbacks),
        watch=to_documents(resolved.trackers),
        ranks=task.ranks.count,
        launch=launch_id(),
        versions=versions(),
        hardware=hardware(task.device),
    )


def task_of(record: RunRecord, folder: RunFolder, ranks: Ranks = ALONE) -> Task:
    """The task of a run.toml, on the present data. Raises an error with everything that would change the run."""
    try:
        recipe = make_recipe(record.recipe)
    except RequestError as error:
        raise WorkError(f"The run's run.toml is damaged: {' '.join(error.findings)}") from None
    findings = _changes(record, folder, ranks)
    with findings:
        source = open_pictures(record)
    for method in recipe.methods.values():
        with findings:
            method.check_again()
    findings.raise_if_any()
    try:
        times = make_clock(recipe.training, len(source.splits["train"]))
        recipe.schedule.check(times)
        spec = from_document(record.spec)
        steps = steps_from_document(record.rewrites)
    except RequestError as error:
        raise WorkError(f"The run's run.toml is damaged: {' '.join(error.findings)}") from None
    if not isinstance(spec, NetworkSpec):
        raise WorkError(f"The run's run.toml is damaged: it describes no network but a {type(spec).__name__}.")
    if (times.length, times.steps_per_epoch) != (record.steps, record.steps_per_epoch):
        raise WorkError(
            f"The run's run.toml is damaged: its recipe comes to {amount(times.length, 'step')}, "
            f"{times.steps_per_epoch:,} an "
            f"epoch, and it says {record.steps:,} and {record.steps_per_epoch:,}."
        )
    return Task(
        recipe,
        times,
        spec,
        source,
        record.preprocessing,
        device_on(record.device, ranks),
        record.precision,
        steps,
        ranks,
    )


def _changes(record: RunRecord, folder: RunFolder, ranks: Ranks) -> Findings:
    """Everything but the pictures that has changed since the run began and would change its bits."""
    findings = Findings()
    if record.draws != DRAWS_VERSION and in_order(record.augmentation):
        weights = (
            f" from its weights: cardinet train --weights {quote(str(folder.model))}" if folder.model.is_file() else ""
        )
        findings.errors.append(
            RequestError(
                "The augmentation of this version draws other numbers than that of the run, so the run cannot continue "
                f"with the same bits; start a new run{weights}."
            )
        )
    for name, version in versions().items():
        if name in EXACT and record.versions.get(name) != version:
            was = record.versions.get(name)
            findings.errors.append(
                RequestError(f"The run was made with {name} {was}, this is {version}; install the same to resume.")
            )
    with findings:
        device_of(record.device)
        precision_of(record.precision, record.device)
    with findings:
        require_one_process(ranks)
    if record.ranks != ranks.count:
        were = f"{amount(record.ranks, 'process')}" if record.ranks > 1 else "one process"
        findings.errors.append(
            RequestError(f"The run began with {were}, and this is {ranks.count}: it would get other bits; use as many.")
        )
    return findings


def other_hardware(record: RunRecord) -> list[str]:
    """Sentences for a machine that differs from the one that began the run."""
    now = hardware(record.device)
    return [
        f"The run began on {was}, this is {now[name]}: it continues, but its bits may differ from here on."
        for name, was in record.hardware.items()
        if name in ("cpu", "gpu") and now.get(name, was) != was
    ]
