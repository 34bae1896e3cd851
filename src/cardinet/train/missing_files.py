"""Check the files of a finished run. Files that something else has removed are written again, or reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote

from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.runs.folder import RunFolder, RunRecord
from cardinet.runs.model_file import save_model
from cardinet.train.loop import Loop
from cardinet.train.state import capture, read_state, restore


def keep_model(loop: Loop) -> None:
    """Write a missing model file again, from the best checkpoint or from the present weights.

    Raises WorkError if the best checkpoint is needed and missing too.
    """
    folder, progress = loop.folder, loop.progress
    if folder.model.is_file():
        return
    if loop.task.selects and progress.best is not None:
        if not folder.best.is_file():
            raise WorkError(
                f"{folder.model} and {folder.best} were removed while the run trained, so the best weights are lost; "
                f"those of the last step are in {folder.last}."
            )
        tensors, progress, _ = read_state(folder.best)
        as_it_is = {name: tensor.clone() for name, tensor in capture(loop.subject).items()}
        restore(loop.subject, tensors)
        save_model(folder.model, loop.saving.model(progress))
        restore(loop.subject, as_it_is)
    else:
        save_model(folder.model, loop.saving.model(progress))
    loop.listener.said(_again(folder.model))


def keep_rest(loop: Loop, record: RunRecord, sheet: bytes | None) -> None:
    """Write run.toml, metrics.jsonl, data.json and the last checkpoint again if they are missing.

    `sheet` is the content of data.json when the work began, or None if it was missing. Files that cannot be written
    again, and are not needed for the model file, are reported. Raises WorkError if the model file or evaluation.json,
    which have just been written, are missing.
    """
    folder = loop.folder
    loop.metrics.keep()
    again: dict[Path, Callable[[], None]] = {
        folder.toml: lambda: folder.write_record(record),
        folder.last: loop.save,
    }
    if sheet is not None:
        again[folder.data] = lambda: write_atomic(folder.data, sheet)
    for path, write in again.items():
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            write()
            loop.listener.said(_again(path))
    if not folder.data.is_file():
        loop.listener.said(f"{folder.data} was removed before, so the report does not show the run's pictures.")
    if loop.task.selects and loop.progress.best is not None and not folder.best.is_file():
        loop.listener.said(f"{folder.best} was removed by something else; the best weights are in {folder.model}.")
    gone = [str(path) for path in (folder.model, folder.evaluation) if not path.is_file()]
    if gone:
        go_on = f"cardinet train --resume {quote(str(folder.path))}"
        raise WorkError(f"{' and '.join(gone)} were removed just now by something else. Make them with: {go_on}")


def folder_gone(folder: RunFolder) -> WorkError | None:
    """The error for a run whose folder is missing; None if it exists."""
    if folder.path.is_dir():
        return None
    return WorkError(
        f"The run folder {folder.path} was moved or removed while the run trained, so nothing more can be saved. If it "
        "was moved, continue with: cardinet train --resume ITS-NEW-PLACE"
    )


def _again(path: Path) -> str:
    return f"{path} was removed by something else while the run trained; it is written again."
