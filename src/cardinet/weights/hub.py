"""Files of Hugging Face Hub repositories."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.weights.reach import in_short, unreachable

FILES = ("model.safetensors", "pytorch_model.bin")
"""What is looked for, in this order, in a repository of which no file is named."""

_NAME = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[^/]+))?(/(?P<file>.+))?", re.ASCII)


def fetch(name: str) -> Path:
    """The local copy of a file of `OWNER/REPO[@REVISION][/FILE]`.

    Raises RequestError for a name or repository that does not exist, WorkError where it cannot be fetched.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise RequestError(f'"hub:{name}": write it as hub:OWNER/REPO, with @REVISION and /FILE where you need them.')
    files = (parts["file"],) if parts["file"] else FILES
    found = first_of(files, parts["repo"], parts["revision"], f"hub:{name}")
    with suppress(CardinetError):  # beside it, as it may say with which preprocessing the weights were trained
        first_of(("config.json",), parts["repo"], parts["revision"], f"hub:{name}")
    return found


def first_of(files: Sequence[str], repo: str, revision: str | None, source: str) -> Path:
    """The local copy of the first of these files that a repository has; `source` is what the user asked for.

    Where the Hub cannot be reached, what is in the local cache is taken, and this is known within seconds.
    Raises as `fetch`.
    """
    library = client(f'"{source}"')
    errors: Any = importlib.import_module("huggingface_hub.errors")
    with quiet():
        server, offline = reached(library)
        for file in files:
            try:
                return Path(library.hf_hub_download(repo, file, revision=revision, local_files_only=bool(offline)))
            except errors.LocalEntryNotFoundError as error:
                if not offline:
                    raise _no_download(source, in_short(error)) from error
            except errors.RevisionNotFoundError:
                raise RequestError(f'{repo} has no revision "{revision}".') from None
            except errors.GatedRepoError:
                raise RequestError(f"{repo} is gated: ask for access on its page and log in: hf auth login.") from None
            except errors.RepositoryNotFoundError:
                raise RequestError(f"There is no repository {repo} on the Hub, or it is private.") from None
            except errors.EntryNotFoundError:
                continue
            except Exception as error:  # a name that it refuses, a full disk, whatever its HTTP client raises
                raise _no_download(source, in_short(error)) from error
    if offline:
        raise _no_download(source, f"{server} cannot be reached: {offline}; nor is the file in the local cache")
    raise RequestError(f"{repo} has no {' or '.join(files)}; name a file of it: hub:{repo}/FILE.")


def client(what: str) -> Any:
    """The library that talks to the Hub. Raises RequestError, about `what` needs it, where it is not installed."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise RequestError(f'{what} needs huggingface_hub: pip install "cardinet[hub]".') from None


def reached(library: Any) -> tuple[str, str]:
    """The Hub's address, and why it cannot be reached, which is known within seconds; "" where it can."""
    server = str(importlib.import_module("huggingface_hub.constants").ENDPOINT)
    return server, unreachable(lambda seconds: library.get_session().head(server, timeout=seconds))


def _no_download(source: str, reason: str) -> WorkError:
    return WorkError(
        f"{source} could not be fetched ({reason}). Where there is no network, fetch the file elsewhere and name it."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without the client's warnings: that it tries again, or that requests without a login have a lower limit."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
