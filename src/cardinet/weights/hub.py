"""Download files from repositories of the Hugging Face Hub."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.weights.reachability import short_reason, unreachable

FILES = ("model.safetensors", "pytorch_model.bin")
"""The files to look for, in this order, if no file of a repository is named."""

_NAME = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[^/]+))?(/(?P<file>.+))?", re.ASCII)


def fetch(name: str) -> Path:
    """The local copy of a file of `OWNER/REPO[@REVISION][/FILE]`.

    Raises RequestError for a name or repository that does not exist, WorkError if the download fails.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise RequestError(f'"hub:{name}": write it as hub:OWNER/REPO, with @REVISION and /FILE where you need them.')
    files = (parts["file"],) if parts["file"] else FILES
    found = first_file(files, parts["repo"], parts["revision"], f"hub:{name}")
    with suppress(CardinetError):  # it may state the preprocessing of the training
        first_file(("config.json",), parts["repo"], parts["revision"], f"hub:{name}")
    return found


def first_file(files: Sequence[str], repo: str, revision: str | None, source: str) -> Path:
    """The local copy of the first of these files that a repository has. `source` is the user's text, for messages.

    If the Hub does not answer within seconds, the local cache is used. Raises as `fetch`.
    """
    library = client(f'"{source}"')
    errors: Any = importlib.import_module("huggingface_hub.errors")
    with quiet():
        server, offline = hub_address(library)
        for file in files:
            try:
                return Path(library.hf_hub_download(repo, file, revision=revision, local_files_only=bool(offline)))
            except errors.LocalEntryNotFoundError as error:
                if not offline:
                    raise _no_download(source, short_reason(error)) from error
            except errors.RevisionNotFoundError:
                raise RequestError(f'{repo} has no revision "{revision}".') from None
            except errors.GatedRepoError:
                raise RequestError(f"{repo} is gated: ask for access on its page and log in: hf auth login.") from None
            except errors.RepositoryNotFoundError:
                raise RequestError(f"There is no repository {repo} on the Hub, or it is private.") from None
            except errors.EntryNotFoundError:
                continue
            except Exception as error:  # a refused name, a full disk, any error of the HTTP client
                raise _no_download(source, short_reason(error)) from error
    if offline:
        raise _no_download(source, f"{server} cannot be reached: {offline}; the file is not in the local cache either")
    raise RequestError(f"{repo} has no {' or '.join(files)}; name a file of it: hub:{repo}/FILE.")


def client(what: str) -> Any:
    """The client library of the Hub. Raises RequestError if it is not installed; `what` names what needs it."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise RequestError(f'{what} needs huggingface_hub: pip install "cardinet[hub]".') from None


def hub_address(library: Any) -> tuple[str, str]:
    """The Hub's address, and why it cannot be reached ("" if it can). This takes seconds at most."""
    server = str(importlib.import_module("huggingface_hub.constants").ENDPOINT)
    return server, unreachable(lambda seconds: library.get_session().head(server, timeout=seconds))


def _no_download(source: str, reason: str) -> WorkError:
    return WorkError(
        f"{source} could not be downloaded ({reason}). Without a network connection, fetch the file elsewhere and name "
        "it."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the client's warnings, about retries and about lower limits without a login."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
