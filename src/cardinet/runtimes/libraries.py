"""The optional libraries of an export: check that they are installed, and import them."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError
from cardinet.base.extras import quiet, require_libraries

if TYPE_CHECKING:
    from cardinet.runtimes.formats.format import Format

TELEMETRY = "openvino_telemetry"


def check_installed(format: Format, int8: bool) -> None:
    """Raise RequestError with the libraries that are not installed, and the extra that installs them."""
    what = f"The format {format.name}{' with int8' if int8 else ''}"
    require_libraries(what, format.needs(int8), "export")


def library(name: str) -> Any:
    """Import a library of the extra without its telemetry. Raises RequestError if it is installed but broken.

    OpenVINO and NNCF report each import and each quantization to their maker through their telemetry package. A user
    who exports a model has not agreed to that.
    """
    from cardinet.remote.reachability import short_reason  # it imports network clients

    with isolated():
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:  # a part of it, or a shared library, is missing
            raise RequestError(
                f"{name} is installed but cannot be imported ({short_reason(error)}); reinstall it: "
                'pip install --force-reinstall "cardinet[export]".'
            ) from error


@contextmanager
def isolated() -> Iterator[None]:
    """A context in which imported libraries send no telemetry and do not warn of a missing CUDA."""
    with _without_telemetry(), quiet("torch.utils.cpp_extension"):
        yield


@contextmanager
def _without_telemetry() -> Iterator[None]:
    if TELEMETRY in sys.modules:  # already imported: leave it alone
        yield
        return
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # Python then refuses to import it
    try:
        yield
    finally:
        del sys.modules[TELEMETRY]


@contextmanager
def ignored(category: type[Warning], *messages: str) -> Iterator[None]:
    """A context that hides warnings of a category that begin with one of the messages."""
    with warnings.catch_warnings():
        for message in messages:
            warnings.filterwarnings("ignore", message, category)
        yield
