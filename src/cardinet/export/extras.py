"""The optional libraries of an export: whether they are there, and how they are imported."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError

if TYPE_CHECKING:
    from cardinet.export.formats.format import Format

TELEMETRY = "openvino_telemetry"


def check_installed(format: Format, int8: bool) -> None:
    """Raise RequestError that names the libraries that are not installed, and the extra that brings them."""
    missing = [name for name in format.needs(int8) if not _installed(name)]
    if missing:
        what = f"The format {format.name}{' with int8' if int8 else ''}"
        verb = "is" if len(missing) == 1 else "are"
        raise RequestError(
            f'{what} needs {" and ".join(missing)}, which {verb} not installed: pip install "cardinet[export]".'
        )


def library(name: str) -> Any:
    """A library of the extra, imported without its telemetry. Raises RequestError where it is there but broken.

    OpenVINO and NNCF report each import and each quantization to their maker where their telemetry package is
    installed, as it always is; a user who exports a model has not agreed to that.
    """
    from cardinet.weights.reachability import short_reason  # which imports the clients of servers

    with isolated():
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:  # a part of it is missing, or a shared library that it needs
            raise RequestError(
                f"{name} is installed but cannot be imported ({short_reason(error)}); install it anew: "
                'pip install --force-reinstall "cardinet[export]".'
            ) from error


@contextmanager
def isolated() -> Iterator[None]:
    """Within it nothing that is imported reports to its maker, or says that a machine has no CUDA."""
    with _without_telemetry(), quiet("torch.utils.cpp_extension"):
        yield


def _installed(name: str) -> bool:
    with suppress(ValueError):
        return importlib.util.find_spec(name) is not None
    return True  # already imported by a loader that keeps no specification


@contextmanager
def _without_telemetry() -> Iterator[None]:
    if TELEMETRY in sys.modules:  # the user's own import, or ours before: theirs to decide
        yield
        return
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # Python's own way to say that it cannot be imported
    try:
        yield
    finally:
        del sys.modules[TELEMETRY]


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Within it only errors are logged there."""
    named = logging.getLogger(logger)
    before = named.level
    named.setLevel(logging.ERROR)
    try:
        yield
    finally:
        named.setLevel(before)


@contextmanager
def ignored(category: type[Warning], *messages: str) -> Iterator[None]:
    """Within it, warnings of a library about itself that begin so are not shown."""
    with warnings.catch_warnings():
        for message in messages:
            warnings.filterwarnings("ignore", message, category)
        yield
