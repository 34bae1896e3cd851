"""A push to the Hub as a job: a model file with its card and description, checked whole, uploaded in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, Findings, WorkError
from cardinet.base.output_paths import check_new_folder
from cardinet.base.version import __version__
from cardinet.evaluate.opening import AskedModel, Opened, Parts, model_path, opened, run_of
from cardinet.measure.available_memory import require_bytes
from cardinet.report.card_facts import trained_network
from cardinet.report.licenses import license_named
from cardinet.report.repository import repository_files, write_files
from cardinet.runs.model_file import Model
from cardinet.weights.upload import Present, Target, check_branch, check_replacing, check_repo, inspect_target, upload

COPIES = 2
"""So many times the bytes of a model file are held beside its network: as they were read, and on their way."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A push of a run folder or model file; with `dry_run` the files go to a new folder and nothing is uploaded."""

    model: str
    target: Target
    license: str | None = None
    message: str | None = None
    dry_run: Path | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """The model, the files of its repository, and what is there now (None: they go to a folder)."""

    opened: Opened
    files: Mapping[str, bytes]
    present: Present | None

    @property
    def model(self) -> Model:
        return self.opened.model


@dataclass(frozen=True)
class Pushed:
    """Where the files are: a page of the Hub, with the commit (None: they were there already), or a folder."""

    place: str
    commit: str | None = None


def resolve(request: Request) -> Prepared:
    """Everything that a push needs. Raises with everything that is wrong, before anything is written or uploaded."""
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
            raise WorkError(f"{path} changed while it was read, as a run is writing it; wait for its end.")

    def look_there(parts: Parts) -> None:
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
    """Upload the files in one commit, or write them to the folder. Raises WorkError where that fails."""
    if prepared.present is None:
        assert request.dry_run is not None
        write_files(request.dry_run, prepared.files)
        return Pushed(str(request.dry_run))
    message = request.message or _message(prepared.model)
    done = upload(request.target, prepared.present, prepared.files, message)
    return Pushed(done.page, done.commit)


def warnings(request: Request, model: Model) -> list[str]:
    """What the user should know before others read the files."""
    found = []
    if told := list(dict.fromkeys(_paths(model.training))):
        found.append(
            f"The model file's own training summary, which is uploaded as it is, names the path {' and '.join(told)}."
        )
    if request.license is None:
        found.append("The card says that the licence is unknown; name one with --license.")
    return found


def _path(model: str) -> Path | None:
    """The model file, None where there is none: the opener says why."""
    with suppress(CardinetError):
        return model_path(model)
    return None


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes where a file is written."""
    with suppress(OSError):
        state = path.stat()
        return state.st_ino, state.st_mtime_ns, state.st_size
    return None


def _message(model: Model) -> str:
    """What the commit says where the user says nothing."""
    row = trained_network(model.training)
    return f"{row.id if row is not None else 'A classifier'}, by Cardinet {__version__}"


def _paths(summary: Mapping[str, Any]) -> Iterator[str]:
    """The places on a disk that a training summary names, also that of the model which this one was made from."""
    for key, value in summary.items():
        if isinstance(value, Mapping):
            yield from _paths(value)
        elif key in ("data", "recipe") and isinstance(value, str) and "/" in value:
            yield value
