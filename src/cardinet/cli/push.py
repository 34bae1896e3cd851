"""`cardinet push`: a model with its card into a repository of the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardinet.cli.options import Json, NoBounds
from cardinet.cli.talk import print_json, say, show, thousands


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hub. A missing one is created.")],
    license: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="NAME", help='The name of the license on the Hub, such as apache-2.0 or "other".'
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Create a repository that only you can see.")] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="BRANCH", help="A branch. A missing one is created.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", metavar="TEXT", help="The message of the commit.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace another model or card in REPO. Its history keeps them.")
    ] = False,
    dry_run: Annotated[
        Path | None,
        typer.Option("--dry-run", metavar="DIR", help="Write the files to this new folder, and upload nothing."),
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Upload a model file with a model card, in one commit. If anything is wrong, nothing is uploaded.

    The files are the unchanged model file, config.json and README.md. The latter describes the network, its exact
    counts, its results, its training and its input. Use --dry-run DIR to see the files first. REPO is always a name on
    the Hub. The token comes from HF_TOKEN or from `hf auth login`.
    """
    from cardinet.report.push import Request, resolve, warnings
    from cardinet.report.push import push as run
    from cardinet.weights.upload import Target

    target = Target(repo, revision, private, replace)
    request = Request(model=model, target=target, license=license, message=message, dry_run=dry_run)
    prepared = resolve(request)
    say(*prepared.opened.notes, *warnings(request, prepared.model))
    done, files = run(request, prepared), prepared.files
    document = {"model": model, "repo": repo, "revision": revision, "files": {k: len(v) for k, v in files.items()}}
    if dry_run is not None:
        document |= {"folder": done.place}
        said = f"Nothing was uploaded. Without --dry-run these files go to {repo}:"
    else:
        document |= {"page": done.place, "commit": done.commit}
        said = f"{repo} has these files already:" if done.commit is None else f"Uploaded in commit {done.commit[:8]}:"
    if as_json:
        print_json(document)
        return
    show(done.place)
    say(said, *(f"  {name:18} {thousands(len(file)):>13} bytes" for name, file in files.items()))
    if dry_run is None:
        say(f"Try it: cardinet predict {target.source} cat.jpg")
