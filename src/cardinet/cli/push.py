"""`cardinet push`: a model with its card into a repository of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardinet.cli.options import Json, NoBounds
from cardinet.cli.talk import print_json, say, show, thousands

if TYPE_CHECKING:
    from cardinet.runs.folder import RunRecord
    from cardinet.runs.model_file import Model
    from cardinet.weights.upload import Present, Target

COPIES = 2
"""So many times the bytes of a model file are held beside its network: as they were read, and on their way."""


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hub; made where it is not there.")],
    license: Annotated[
        str | None, typer.Option("--license", metavar="NAME", help='By the Hub\'s name, as apache-2.0, or "other".')
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="A new repository that only you can see.")] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="BRANCH", help="A branch; made where it is not there.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", metavar="TEXT", help="The commit's message.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where REPO has another model or card (its history keeps them).")
    ] = False,
    dry_run: Annotated[
        Path | None, typer.Option("--dry-run", metavar="DIR", help="Write the same files to a new folder instead.")
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Upload a model file with a model card, in one commit; nothing is uploaded where anything is wrong.

    The files are the model file as it is, README.md (what it is, its exact counts, results, training and input) and
    config.json. To see them first, --dry-run DIR; REPO is always a name on the Hub. The token is looked for in HF_TOKEN
    and where `hf auth login` keeps it.
    """
    from cardinet.report.repository import write_files
    from cardinet.weights.upload import Target, upload

    target = Target(repo, revision, private, replace)
    classifier, files, present = _checked(model, target, license, dry_run)
    _warn(classifier, license)
    document = {"model": model, "repo": repo, "revision": revision, "files": {k: len(v) for k, v in files.items()}}
    if present is None:
        assert dry_run is not None
        write_files(dry_run, files)
        document |= {"folder": str(dry_run)}
        place, said = str(dry_run), f"Nothing was uploaded. Without --dry-run these files go to {repo}:"
    else:
        done = upload(target, present, files, message or _message(classifier))
        document |= {"page": done.page, "commit": done.commit}
        place = done.page
        said = f"{repo} has these files already:" if done.commit is None else f"Uploaded in commit {done.commit[:8]}:"
    if as_json:
        print_json(document)
        return
    show(place)
    say(said, *(f"  {name:18} {thousands(len(file)):>13} bytes" for name, file in files.items()))
    if dry_run is None:
        say(f"Try it: cardinet predict {target.source} cat.jpg")


def _checked(
    model: str, target: Target, license: str | None, dry_run: Path | None
) -> tuple[Model, dict[str, bytes], Present | None]:
    """The model, the files of its repository, and what is there now (None: they go to a folder).

    Raises with everything that is wrong, before anything is written or uploaded.
    """
    from cardinet.base.errors import Findings
    from cardinet.base.places import check_folder
    from cardinet.report.licenses import license_named
    from cardinet.report.repository import repository_files
    from cardinet.weights.upload import check_branch, check_replacing, check_repo, look

    findings, read, present, chosen = Findings(), None, None, None
    files: dict[str, bytes] = {}
    with findings:
        check_repo(target.repo)
    with findings:
        check_branch(target.branch)
    named = not findings
    with findings:
        chosen = license_named(license) if license is not None else None
    with findings:
        read = _read(model)
    with findings:
        if dry_run is not None:
            check_folder(dry_run, option="--dry-run")
        elif named:
            present = look(target)
    with findings:
        if read is not None and named:
            content, classifier, record = read
            files = repository_files(content, classifier, target, license=chosen, record=record)
        if present is not None:
            check_replacing(target, present, files)
    findings.raise_if_any()
    assert read is not None
    return read[1], files, present


def _read(model: str) -> tuple[bytes, Model, RunRecord | None]:
    """The bytes of a model file, what is in it, and the record of its run, if MODEL is one.

    Raises as `read_model`, RequestError where there is no memory for its bytes, and WorkError where the file changed
    meanwhile, as that of a run which goes on.
    """
    from cardinet.base.errors import WorkError
    from cardinet.cli.options import read_model
    from cardinet.evaluate.opening import model_path
    from cardinet.measure.available import require_bytes
    from cardinet.runs.folder import RunFolder

    path = model_path(model)
    if path is None or not path.is_file():
        read_model(model)  # which says what is wrong with it
    assert path is not None
    before = path.stat()
    classifier = read_model(str(path))
    require_bytes(COPIES * before.st_size, "cpu", f"The push of {path}")
    content = path.read_bytes()
    after = path.stat()
    if (before.st_ino, before.st_mtime_ns, before.st_size) != (after.st_ino, after.st_mtime_ns, after.st_size):
        raise WorkError(f"{path} changed while it was read, as a run is writing it; wait for its end.")
    run = RunFolder(Path(model))
    return content, classifier, run.record() if (run.path / "run.toml").exists() else None


def _message(model: Model) -> str:
    """What the commit says where the user says nothing."""
    from cardinet.base.version import __version__
    from cardinet.report.card_facts import row_of

    row = row_of(model.training)
    return f"{row.id if row is not None else 'A classifier'}, by Cardinet {__version__}"


def _warn(model: Model, license: str | None) -> None:
    """What the user should know before others read the files."""
    if told := list(dict.fromkeys(_paths(model.training))):
        say(f"The model file's own training summary, which is uploaded as it is, names the path {' and '.join(told)}.")
    if license is None:
        say("The card says that the licence is unknown; name one with --license.")


def _paths(summary: Mapping[str, Any]) -> Iterator[str]:
    """The places on a disk that a training summary names, also that of the model which this one was made from."""
    for key, value in summary.items():
        if isinstance(value, Mapping):
            yield from _paths(value)
        elif key in ("data", "recipe") and isinstance(value, str) and "/" in value:
            yield value
