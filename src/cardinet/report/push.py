"""Push a model to the Hub: the model file, its card and its description are checked and uploaded in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, Findings, WorkError
from cardinet.base.output_paths import check_new_folder
from cardinet.base.version import __version__
from cardinet.evaluate.opening import AskedModel, Opened, OpenedSoFar, model_path, opened, run_of
from cardinet.measure.available_memory import require_bytes
from cardinet.report.card_facts import trained_network
from cardinet.report.licenses import license_named
from cardinet.report.repository import repository_files, write_files
from cardinet.runs.model_file import Model
from cardinet.weights.upload import Present, Target, check_branch, check_replacing, check_repo, inspect_target, upload

COPIES = 2
"""The bytes of a model file are twice in memory beside its network: once as read, once for the upload."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A push of a run folder or model file. With `dry_run` its files go to a new folder and nothing is uploaded."""

    model: str
    target: Target
    license: str | None = None
    message: str | None = None
    dry_run: Path | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """The model, the files for its repository, and the present state of the repository (None in a dry run)."""

    opened: Opened
    files: Mapping[str, bytes]
    present: Present | None

    @property
    def model(self) -> Model:
        return self.opened.model


@dataclass(frozen=True)
class Pushed:
    """The place of the files: a page of the Hub with the commit (None: nothing was new), or a folder."""

    place: str
    commit: str | None = None


def resolve(request: Request) -> Prepared:
    """Prepare a push. Raises RequestError or WorkError with all faults, before anything is written or uploaded."""
    target, path = request.target, _path(request.model)
    before = None if path is None else _state(path)
    content, files, chosen, named = b"", dict[str, bytes](), None, False
    present: Present | None = None

    def check() -> None:
        nonlocal chosen, named
        findings = Findings()
        with findings:
            check_repo(target.repo)
        with findings:
            check_branch(target.branch)
        named = not findings
        with findings:
            chosen = license_named(request.license) if request.license is not None else None
        findings.raise_if_any()

    def read(model: Model) -> None:
        nonlocal content
        assert path is not None
        require_bytes(COPIES * path.stat().st_size, "cpu", f"The push of {path}")
        content = path.read_bytes()
        if _state(path) != before:
            raise WorkError(f"{path} changed while it was read; wait for the end of the run that writes it.")

    def look_there(parts: OpenedSoFar) -> None:
        nonlocal present, files
        findings = Findings()
        with findings:
            if request.dry_run is not None:
                check_new_folder(request.dry_run, option="--dry-run")
            elif named:
                present = inspect_target(target)
        with findings:
            if parts.model is not None and content and named:
                run = run_of(request.model)
                record = None if run is None else run.record()
                files = repository_files(content, parts.model, target, license=chosen, record=record)
            if present is not None:
                check_replacing(target, present, files)
        findings.raise_if_any()

    found = opened(AskedModel(model=request.model), check=check, check_model=read, check_all=look_there)
    return Prepared(found, files, present)


def push(request: Request, prepared: Prepared) -> Pushed:
    """Upload the files in one commit, or write them to the folder. Raises WorkError on failure."""
    if prepared.present is None:
        assert request.dry_run is not None
        write_files(request.dry_run, prepared.files)
        return Pushed(str(request.dry_run))
    message = request.message or _message(prepared.model)
    done = upload(request.target, prepared.present, prepared.files, message)
    return Pushed(done.page, done.commit)


def warnings(request: Request, model: Model) -> list[str]:
    """Warnings for the user before others read the files."""
    found = []
    if paths := list(dict.fromkeys(_paths(model.training))):
        found.append(
            f"The training summary in the model file is uploaded unchanged and contains the path {' and '.join(paths)}."
        )
    if request.license is None:
        found.append("The card says that the licence is unknown; give one with --license.")
    return found


def _path(model: str) -> Path | None:
    """The model file, or None if there is none; the opener then gives the reason."""
    with suppress(CardinetError):
        return model_path(model)
    return None


def _state(path: Path) -> tuple[int, int, int] | None:
    """Values that change when a file is written."""
    with suppress(OSError):
        state = path.stat()
        return state.st_ino, state.st_mtime_ns, state.st_size
    return None


def _message(model: Model) -> str:
    """The default commit message."""
    row = trained_network(model.training)
    return f"{row.id if row is not None else 'A classifier'}, by Cardinet {__version__}"


def _paths(summary: Mapping[str, Any]) -> Iterator[str]:
    """The paths in a training summary, also in those of the models from which this one was made."""
    for key, value in summary.items():
        if isinstance(value, Mapping):
            yield from _paths(value)
        elif key in ("data", "recipe") and isinstance(value, str) and "/" in value:
            yield value
