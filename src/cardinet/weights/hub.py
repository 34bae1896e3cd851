"""Download files from repositories of the Hugging Face Hub."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, RequestError
from cardinet.base.extras import quiet
from cardinet.remote.hub_client import CLIENT, client, hub_address, hub_errors, no_download
from cardinet.remote.reachability import short_reason

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
    with quiet(CLIENT):
        server, offline = hub_address(library)
        for file in files:
            try:
                with hub_errors(source, repo, revision):
                    return Path(library.hf_hub_download(repo, file, revision=revision, local_files_only=bool(offline)))
            except errors.LocalEntryNotFoundError as error:
                if not offline:
                    raise no_download(source, short_reason(error)) from error
            except errors.EntryNotFoundError:
                continue
    if offline:
        raise no_download(source, f"{server} cannot be reached: {offline}; the file is not in the local cache either")
    raise RequestError(f"{repo} has no {' or '.join(files)}; name a file of it: hub:{repo}/FILE.")
