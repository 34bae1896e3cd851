"""Files of Hugging Face Hub repositories."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from cardinet.base.errors import RequestError, WorkError

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
    try:
        library: Any = importlib.import_module("huggingface_hub")
    except ImportError:
        raise RequestError(f'"hub:{name}" needs huggingface_hub: pip install "cardinet[hub]".') from None
    errors: Any = importlib.import_module("huggingface_hub.errors")
    for file in (parts["file"],) if parts["file"] else FILES:
        try:
            return Path(library.hf_hub_download(parts["repo"], file, revision=parts["revision"]))
        except errors.LocalEntryNotFoundError as error:
            raise _no_download(name, error) from error
        except errors.RevisionNotFoundError:
            raise RequestError(f'{parts["repo"]} has no revision "{parts["revision"]}".') from None
        except errors.GatedRepoError:
            raise RequestError(
                f"{parts['repo']} is gated: ask for access on its page and log in: hf auth login."
            ) from None
        except errors.RepositoryNotFoundError:
            raise RequestError(f"There is no repository {parts['repo']} on the Hub, or it is private.") from None
        except errors.EntryNotFoundError:
            continue
        except (OSError, ValueError, RuntimeError) as error:  # no connection, a full disk, a name that it refuses
            raise _no_download(name, error) from error
    raise RequestError(
        f"{parts['repo']} has no {parts['file'] or ' or '.join(FILES)}; name a file of it: hub:{parts['repo']}/FILE."
    )


def _no_download(name: str, error: Exception) -> WorkError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return WorkError(
        f"hub:{name} could not be fetched ({reason}). Where there is no network, fetch the file elsewhere and name it."
    )
