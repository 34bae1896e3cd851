"""The client library of the Hugging Face Hub, and its errors in the user's words."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.remote.reachability import short_reason, unreachable

CLIENT = "huggingface_hub"
"""The client's name, also of its logger, which warns about retries and about lower limits without a login."""


def client(what: str) -> Any:
    """The client library of the Hub. Raises RequestError if it is not installed; `what` names what needs it."""
    try:
        return importlib.import_module(CLIENT)
    except ImportError:
        raise RequestError(f'{what} needs huggingface_hub: pip install "cardinet[hub]".') from None


def hub_address(library: Any) -> tuple[str, str]:
    """The Hub's address, and why it cannot be reached ("" if it can). This takes seconds at most."""
    server = str(importlib.import_module("huggingface_hub.constants").ENDPOINT)
    return server, unreachable(lambda seconds: library.get_session().head(server, timeout=seconds))


def no_download(source: str, reason: str) -> WorkError:
    """The error for a source (the user's text) that cannot be downloaded."""
    return WorkError(
        f"{source} could not be downloaded ({reason}). Without a network connection, fetch the file elsewhere and name "
        "it."
    )


@contextmanager
def hub_errors(source: str, repo: str, revision: str | None) -> Iterator[None]:
    """Raise what the client raises as RequestError (no such repository or revision) or WorkError.

    A missing file (`EntryNotFoundError`) is left to the caller.
    """
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except (errors.EntryNotFoundError, CardinetError):
        raise
    except errors.RevisionNotFoundError:
        raise RequestError(f'{repo} has no revision "{revision}".') from None
    except errors.GatedRepoError:
        raise RequestError(f"{repo} is gated: ask for access on its page and log in: hf auth login.") from None
    except errors.RepositoryNotFoundError:
        raise RequestError(f"There is no repository {repo} on the Hub, or it is private.") from None
    except Exception as error:  # a refused name, a full disk, any error of the HTTP client
        raise no_download(source, short_reason(error)) from error
