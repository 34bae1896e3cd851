"""A training run from request to model file, and its exact continuation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.base.randomness import uniforms
from cardinet.build.builder import build
from cardinet.data.kinds import absolute, short_name
from cardinet.data.loading import WorkerLost
from cardinet.runs.endings import heard
from cardinet.runs.environment import keep_freed_memory
from cardinet.runs.folder import RunFolder, RunRecord, new_run, publish
from cardinet.runs.metrics import Metrics
from cardinet.runs.ranks import ALONE, Ranks
from cardinet.runs.run_pictures import open_pictures
from cardinet.train.callbacks import require_same
from cardinet.train.describe_data import make_data_sheet
from cardinet.train.estimate import meta_network, part_of_step, require_step
from cardinet.train.finish import finish
from cardinet.train.initial_weights import initial_network
from cardinet.train.interrupt import Interrupt, Interrupted
from cardinet.train.kernels import with_kernels
from cardinet.train.listener import Listener
from cardinet.train.loop import Loop
from cardinet.train.methods import Method
from cardinet.train.micro_batch import with_parts
from cardinet.train.missing_files import folder_gone, keep_model, keep_rest
from cardinet.train.record import make_record, other_hardware, task_of
from cardinet.train.request import Resolved
from cardinet.train.state import Progress, capture, random_of_all, read_state, restore, save_state
from cardinet.train.task import Task
from cardinet.train.threads import with_threads
from cardinet.train.trackers import Tracker
from cardinet.train.trainee import Trainee, trainee
from cardinet.train.watching import recorded, to_documents, trackers_of, watching


def start(resolved: Resolved, listener: Listener) -> RunFolder:
    """Run a resolved request to its end. Returns the run folder; its last checkpoint exists from the first moment.

    Of several processes only the leader writes into the folder.
    """
    resolved, subject = made_ready(resolved, listener)
    task = resolved.task
    make_alike(task, subject)
    with _new_folder(resolved, subject) as (folder, record):
        listener.said(f"Run folder: {folder.path}")
        with watching(resolved.trackers, folder, record, listener) as watched:
            train_and_finish(task, subject, Progress(), folder, record, watched)
    return folder


def made_ready(resolved: Resolved, listener: Listener) -> tuple[Resolved, Trainee]:
    """Make the last choices (parts of a batch, threads, kernels), set the machine, and make network and optimizer."""
    resolved, _ = with_parts(resolved, listener)
    resolved = replace(resolved, task=with_kernels(with_threads(resolved.task, listener.said), listener.said))
    task = resolved.task
    prepare_machine(task)
    built, sentences = initial_network(task, resolved.weights)
    for sentence in sentences:
        listener.said(sentence)
    return resolved, trainee(task, built, len(task.recipe.network.steps()), resolved.callbacks)


@contextmanager
def _new_folder(resolved: Resolved, subject: Trainee) -> Iterator[tuple[RunFolder, RunRecord]]:
    """The new run folder, locked, with its first checkpoint. The leader makes it, the others only know its place."""
    task, out, ranks = resolved.task, resolved.request.out, resolved.task.ranks
    record = make_record(resolved)
    tensors = {**capture(subject), **random_of_all(subject, ranks)}
    if not ranks.leads:
        yield RunFolder(Path(ranks.from_leader(None))), record
        return
    with new_run(out, f"{task.recipe.network.id}-{short_name(task.source.text)}") as (making, target):
        making.write_record(record)
        write_atomic(making.data, make_data_sheet(task, resolved.findings).model_dump_json())
        save_state(making.last, tensors, Progress())
        folder = publish(making, target, numbered=out is None)
        ranks.from_leader(str(folder.path))
        yield folder, record


def make_alike(task: Task, subject: Trainee) -> None:
    """Give every process the leader's weights, and draws of its own from here on."""
    if task.ranks.alone:
        return
    for tensor in subject.whole.state_dict().values():
        task.ranks.spread(tensor)
    if task.ranks.rank:
        torch.manual_seed(int(uniforms(task.recipe.machine.seed, 0, "ranks", task.ranks.rank)[0, 0] * 2**53))


def resume(
    path: Path,
    listener: Listener,
    data: str | None = None,
    callbacks: Sequence[Method] = (),
    ranks: Ranks = ALONE,
    watch: Sequence[str | Tracker] | None = None,
) -> RunFolder:
    """Continue a run from its last checkpoint, bit for bit. `data` is the new place of its pictures, if they moved.

    `callbacks` are the methods of the program that began it, if it has any. `watch` are trackers, None those that the
    run has; they get all lines of metrics.jsonl. Of several processes only the leader needs the folder. run.toml then
    records the new place and the trackers. A finished run stays as it is, whatever has changed since. Raises
    RequestError or WorkError, with all findings at once, if versions, device, precision or data differ from those of
    the run. Another processor only gives a notice.
    """
    folder = RunFolder(path)
    with ranks.together():
        record = _record(folder, ranks)
    with _locked(folder, ranks):
        moved = record if data is None else record.moved(absolute(data))
        if ranks.from_leader(is_finished(folder, record) if ranks.leads else None):
            if ranks.leads:
                _leave_finished(folder, record, moved, listener, watch)
            return folder
        with ranks.together():
            trackers, task = _continued(folder, moved, callbacks, ranks, watch, listener)
        if moved != record and ranks.leads:
            keep_place(folder, moved, listener)
        if watch is not None and ranks.leads:
            moved = _keep_trackers(folder, moved, trackers)
        for sentence in other_hardware(record):
            listener.said(sentence)
        prepare_machine(task)
        subject = trainee(task, build(task.spec, init=task.recipe.network.init), callbacks=callbacks)
        with ranks.together():
            progress = _restored(folder, subject, task)
        listener.said(f"Resuming {path} after step {progress.step} of {task.clock.length}.")
        with watching(trackers, folder, moved, listener) as watched:
            train_and_finish(task, subject, progress, folder, moved, watched)
    return folder


def _continued(
    folder: RunFolder,
    record: RunRecord,
    callbacks: Sequence[Method],
    ranks: Ranks,
    watch: Sequence[str | Tracker] | None,
    listener: Listener,
) -> tuple[tuple[Tracker, ...], Task]:
    """The trackers and the task of a run that is continued. Raises CardinetError with all findings."""
    findings, task = Findings(), None
    trackers: tuple[Tracker, ...] = ()
    with findings:
        trackers = _trackers(record, watch, listener) if ranks.leads else ()
    with findings:
        require_same(record.callbacks, callbacks)
    with findings:
        task = task_of(record, folder, ranks)
        batch, side = part_of_step(task), task.preprocessing.crop
        require_step(meta_network(task), task.recipe, side, batch, task.device, task.precision)
    findings.raise_if_any()
    assert task is not None
    return trackers, task


def _trackers(record: RunRecord, watch: Sequence[str | Tracker] | None, listener: Listener) -> tuple[Tracker, ...]:
    """The trackers of a run that is continued: those that are asked for, else its own."""
    return recorded(record, listener.said) if watch is None else trackers_of(watch)


def _keep_trackers(folder: RunFolder, record: RunRecord, trackers: Sequence[Tracker]) -> RunRecord:
    """Record the trackers of a run."""
    record = record.model_copy(update={"watch": to_documents(trackers)})
    folder.write_record(record)
    return record


def _leave_finished(
    folder: RunFolder,
    record: RunRecord,
    moved: RunRecord,
    listener: Listener,
    watch: Sequence[str | Tracker] | None,
) -> None:
    """Say that a run is finished. Trackers that are asked for get it; its pictures may have a new place."""
    trackers = trackers_of(watch or ())
    if moved != record:
        open_pictures(moved)
        keep_place(folder, moved, listener)
    if watch is not None:
        moved = _keep_trackers(folder, moved, trackers)
    with watching(trackers, folder, moved, listener):
        listener.said(
            f"{folder.path} is finished ({_steps(folder, record)}). To train on: --weights {quote(str(folder.model))}."
        )


def _record(folder: RunFolder, ranks: Ranks) -> RunRecord:
    """run.toml as the leader reads it."""
    told: dict[str, Any] | None = None
    with ranks.together():
        if ranks.leads:
            told = folder.record().model_dump(mode="json")
            if not folder.last.exists():
                raise RequestError(f"{folder.path} has no checkpoint, so there is nothing to resume; start it again.")
    return RunRecord.model_validate(ranks.from_leader(told))


@contextmanager
def _locked(folder: RunFolder, ranks: Ranks) -> Iterator[None]:
    """The lock of a run folder, which the leader holds."""
    with ExitStack() as stack:
        with ranks.together():
            if ranks.leads:
                stack.enter_context(folder.locked())
        yield


def _restored(folder: RunFolder, subject: Trainee, task: Task) -> Progress:
    """Restore the leader's last checkpoint in every process, and cut metrics.jsonl back to it."""
    ranks, tensors, told = task.ranks, None, None
    with ranks.together():
        if ranks.leads:
            tensors, progress, metrics_bytes = read_state(folder.last)
            if progress.step > task.clock.length:
                raise WorkError(f"{folder.last} is damaged: it is of step {progress.step:,} of {task.clock.length:,}.")
            Metrics(folder.metrics).cut(metrics_bytes)
            told = progress.to_document()
    progress = Progress.of_document(ranks.from_leader(told))
    restore(subject, ranks.spread_all(tensors), ranks.rank)
    return progress


def is_finished(folder: RunFolder, record: RunRecord) -> bool:
    """Whether nothing of a run is left to do. Raises WorkError if its last checkpoint is damaged."""
    if not folder.evaluation.exists() or not folder.model.exists():
        return False
    _, progress, _ = read_state(folder.last)
    return progress.stopped or progress.step == record.steps


def _steps(folder: RunFolder, record: RunRecord) -> str:
    """The steps of a finished run in words."""
    _, progress, _ = read_state(folder.last)
    if progress.step == record.steps:
        return f"{amount(record.steps, 'step')}"
    return f"it ended early, after step {progress.step} of {record.steps}"


def keep_place(folder: RunFolder, moved: RunRecord, listener: Listener) -> None:
    """Record the new place of a run's pictures, which have been opened there."""
    folder.write_record(moved)
    listener.said(f"The pictures are those of the run, now in {moved.source}.")


def train_and_finish(
    task: Task,
    subject: Trainee,
    progress: Progress,
    folder: RunFolder,
    record: RunRecord,
    listener: Listener,
) -> None:
    """Train to the last step, then evaluate the kept model. At the end all files of a run exist.

    Raises Interrupted also if the user stops it at once: by a second Ctrl-C, or in the last evaluation.
    """
    again = f"cardinet train --resume {quote(str(folder.path))}"
    sheet = folder.data.read_bytes() if folder.data.is_file() else None
    try:
        with nullcontext() if task.ranks.alone else heard(), Interrupt(listener.said) as interrupt:
            loop = Loop(task, subject, progress, folder, listener)
            loop.run(interrupt)
        if task.ranks.leads:
            keep_model(loop)
            finish(task, folder, listener)
            keep_rest(loop, record, sheet)
        task.ranks.any(False)  # the others wait, as a process that ends early ends the run
    except WorkError as error:
        if gone := folder_gone(folder):
            raise gone from error
        if isinstance(error, WorkerLost):
            raise WorkerLost(*error.findings, f"What was saved before is intact. Continue with: {again}") from error
        raise
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped at once; what was saved before is intact. Continue with: {again}") from None


def prepare_machine(task: Task) -> None:
    """Set what a run's bits depend on (device, seed, threads, deterministic kernels), and keep freed memory."""
    machine = task.recipe.machine
    keep_freed_memory()
    if task.device != "cpu":
        torch.cuda.set_device(task.device if ":" in task.device else "cuda:0")
    torch.set_num_threads(machine.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.manual_seed(machine.seed)
