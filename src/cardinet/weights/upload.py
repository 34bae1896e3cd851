"""Upload files to a repository of the Hugging Face Hub: look at it first, then write all files in one commit."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.extras import quiet
from cardinet.remote.hub_client import CLIENT, client, hub_address
from cardinet.remote.reachability import short_reason

NEEDS = "`cardinet push`"
CARD = "README.md"
"""The file whose first lines the Hub reads. It may refuse them."""

_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"(?=[^/]{{1,96}}/[^/]{{1,96}}\Z){_WORD}/{_WORD}")
_BRANCH = re.compile(_WORD)


@dataclass(frozen=True)
class Target:
    """The target of an upload: a repository, and a branch (None is the main one).

    `private` asks for a private repository; `replace` allows that existing files are replaced.
    """

    repo: str
    branch: str | None = None
    private: bool = False
    replace: bool = False

    @property
    def source(self) -> str:
        """The text by which `cardinet predict` and `cardinet.load` find the target."""
        return f"hub:{self.repo}" + (f"@{self.branch}" if self.branch else "")


@dataclass(frozen=True)
class Present:
    """The present state of a target: the digests of its files, their commit, whether repository and branch exist."""

    files: Mapping[str, str]
    commit: str | None = None
    repo: bool = False
    branch: bool = False


@dataclass(frozen=True)
class Uploaded:
    """The repository's page, and the new commit; None if it had the same files already."""

    page: str
    commit: str | None


def check_repo(repo: str) -> None:
    """Raise RequestError if `repo` is not an OWNER/NAME of the Hub."""
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo or repo.endswith(".git"):
        path = repo.startswith((".", "/", "~")) or repo.count("/") > 1
        folder = "; to write the files to a folder, name it with --dry-run DIR" if path else ""
        raise RequestError(
            f'"{repo}" is not a repository of the Hub: write OWNER/NAME, such as me/flowers, of letters, digits, '
            f'"-", "_" and ".", each up to 96{folder}.'
        )


def check_branch(branch: str | None) -> None:
    """Raise RequestError for a branch name that `hub:REPO@REVISION` would not find."""
    if branch is not None and (not _BRANCH.fullmatch(branch) or ".." in branch or branch.endswith(".lock")):
        raise RequestError(f'--revision "{branch}": name a branch of letters, digits, "-", "_" and ".", such as v2.')


def inspect_target(target: Target) -> Present:
    """The present state of a target. Nothing is changed.

    Raises RequestError if huggingface_hub or a token is missing, the token is not accepted, or the repository is public
    although `private` is asked for. Raises WorkError within seconds if the Hub cannot be reached.
    """
    library = client(NEEDS)
    errors: Any = importlib.import_module("huggingface_hub.errors")
    with quiet(CLIENT), _answers(target, "looked at"):
        token = _token(library)
        server, offline = hub_address(library)
        if offline:
            raise WorkError(
                f"The Hub cannot be reached ({server}: {offline}). `--dry-run DIR` writes the same files to a folder."
            )
        hub = library.HfApi(endpoint=server, token=token)
        commit = None
        try:
            found = hub.model_info(target.repo, files_metadata=True)
            if target.private and not found.private:
                raise RequestError(
                    f"{target.repo} exists already and is public, so nothing in it is private; make it private on "
                    "its page, or name another repository."
                )
            if target.branch is not None:
                commit = found.sha
                found = hub.model_info(target.repo, revision=target.branch, files_metadata=True)
        except errors.RevisionNotFoundError:
            return Present({}, commit, repo=True)
        except errors.GatedRepoError:
            raise RequestError(
                f"{target.repo} exists already and is gated, and this token has no access to it; ask for access on its "
                "page, or name a repository of your own."
            ) from None
        except errors.RepositoryNotFoundError as error:
            if _status(error) == 401:
                raise
            return Present({})
    return Present({file.rfilename: _digest(file) for file in found.siblings or ()}, found.sha, repo=True, branch=True)


def check_replacing(target: Target, present: Present, files: Mapping[str, bytes]) -> None:
    """Raise RequestError if files with other content would be replaced without `replace`."""
    others = [name for name in files if name in present.files and not _same(present.files[name], files[name])]
    if others and not target.replace:
        raise RequestError(
            f"{target.source} has {', '.join(others)} already, with other content; "
            "add --replace to replace it (the Hub keeps the old commit), or name another repository or --revision."
        )


def upload(target: Target, present: Present, files: Mapping[str, bytes], message: str) -> Uploaded:
    """Write all files to a repository in one commit, on top of the state `present`. A missing repository is made.

    Raises RequestError if the token may not write there, WorkError if the upload fails or somebody else has changed the
    repository in the meantime. The repository is then unchanged, or new and empty; the message says which.
    """
    library = client(NEEDS)
    server = str(importlib.import_module("huggingface_hub.constants").ENDPOINT)
    page = f"{server}/{target.repo}" + (f"/tree/{target.branch}" if target.branch else "")
    if all(name in present.files and _same(present.files[name], content) for name, content in files.items()):
        return Uploaded(page, None)
    made: list[str] = []
    with quiet(CLIENT), _bars_for_eyes(library), warnings.catch_warnings(), _answers(target, "written", made):
        token = _token(library)
        hub = library.HfApi(endpoint=server, token=token)
        _check_card(library, server, token, files[CARD])
        if not present.repo:
            _create(hub, target)
            made.append("repository")
        if target.branch is not None and not present.branch:
            hub.create_branch(target.repo, branch=target.branch, exist_ok=True)
        warnings.simplefilter("ignore")  # the Hub's advice on the card
        done = hub.create_commit(
            target.repo,
            [library.CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=message,
            revision=target.branch,
            parent_commit=present.commit,
        )
    return Uploaded(page, str(done.oid))


def _token(library: Any) -> str:
    """The user's token. Raises RequestError if it is missing or impossible. It is never printed."""
    token = library.get_token()
    if not token:
        raise RequestError(
            "No token for the Hub was found, neither in HF_TOKEN nor where `hf auth login` keeps one. On the page of "
            "your account, make one that may write, and give it in HF_TOKEN or to `hf auth login`."
        )
    if not all("!" <= letter <= "~" for letter in token):
        raise RequestError(
            "The token for the Hub has a character that no token has: a space, a control character or a letter outside "
            "ASCII. Copy it again from the page of your account, and give it in HF_TOKEN or to `hf auth login`."
        )
    return str(token)


def _check_card(library: Any, server: str, token: str, card: bytes) -> None:
    """Raise WorkError if the Hub does not accept a card, before a repository is made for it."""
    answer = library.get_session().post(
        f"{server}/api/validate-yaml",
        json={"content": card.decode(), "repoType": "model"},
        headers=library.utils.build_hf_headers(token=token),
    )
    if answer.status_code == 400 and (wrong := answer.json().get("errors")):
        reasons = "; ".join(str(error.get("message")).rstrip(".") for error in wrong)
        raise WorkError(
            f"The Hub does not accept the card ({reasons}); nothing was uploaded. `--dry-run DIR` shows the card."
        )
    library.utils.hf_raise_for_status(answer)


def _create(hub: Any, target: Target) -> None:
    """Make a repository that `inspect_target` has not seen. Raises RequestError if it exists all the same."""
    try:
        hub.create_repo(target.repo, private=True if target.private else None)
    except Exception as error:
        if _status(error) != 409:
            raise
        raise RequestError(
            f"{target.repo} exists already, but this token may not see it (HTTP status 409); give a token that may, "
            "or name another repository."
        ) from error


def _digest(file: Any) -> str:
    """The Hub's digest of a file: the SHA-256 of a large one, Git's blob id of a small one."""
    return str(file.lfs.sha256 if file.lfs is not None else file.blob_id)


def _same(digest: str, content: bytes) -> bool:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return digest in (hashlib.sha256(content).hexdigest(), blob)


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


@contextmanager
def _bars_for_eyes(library: Any) -> Iterator[None]:
    """Show the client's progress bars only if stderr is a terminal, unless the user's environment decides."""
    decided = importlib.import_module("huggingface_hub.constants").HF_HUB_DISABLE_PROGRESS_BARS is not None
    if decided or sys.stderr.isatty() or library.utils.are_progress_bars_disabled():
        yield
        return
    library.utils.disable_progress_bars()
    try:
        yield
    finally:
        library.utils.enable_progress_bars()


@contextmanager
def _answers(target: Target, doing: str, made: Sequence[str] = ()) -> Iterator[None]:
    """Turn the client's errors into ours.

    `doing` names the action ("written"); `made` lists what it has made already.
    """
    try:
        yield
    except (RequestError, WorkError):
        raise
    except Exception as error:  # its HTTP client may raise anything
        status = _status(error)
        left = "an empty repository was made; it stays until you push again or delete it on its page" if made else ""
        if status == 401:
            raise RequestError(
                "The Hub does not accept the token (HTTP status 401): it is wrong or has expired. Make another on the "
                "page of your account, and give it in HF_TOKEN or to `hf auth login`."
            ) from error
        if status == 403:
            raise RequestError(
                f"The token may not write to {target.repo} (HTTP status 403){'; ' + left if left else ''}: give one "
                "that has the right to write, or name a repository of your own or of an organisation that you belong "
                "to."
            ) from error
        if status in (409, 412):
            raise WorkError(
                f"{target.repo} was changed by somebody else during the upload, and is as they left it; try again."
            ) from error
        raise WorkError(
            f"{target.repo} could not be {doing} ({_reason(error)}); {left or 'its files are unchanged'}."
        ) from error


def _reason(error: BaseException) -> str:
    """The reason in short: the cause if a large file failed; else the status and the Hub's own words.

    Of these words it takes the first line, and the later lines that list reasons.
    """
    if type(error) is RuntimeError and error.__cause__ is not None:
        error = error.__cause__
    status, said = _status(error), str(getattr(error, "server_message", None) or "")
    first = short_reason(error) if status is None else said.strip().split("\n")[0].rstrip(".")
    listed = [line[2:].strip().rstrip(".") for line in (said or str(error)).splitlines()[1:] if line.startswith("- ")]
    words = [*([] if status is None else [f"HTTP status {status}"]), *filter(None, [first, "; ".join(listed)])]
    return _without_token(": ".join(words))


def _without_token(text: str) -> str:
    """A text of the client without the user's token; it may quote the request."""
    with suppress(Exception):  # the client may fail to find one
        token = client(NEEDS).get_token()
        return text.replace(token, "TOKEN") if token else text
    return text
