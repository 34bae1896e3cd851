"""The table of the formats of exported files.

Torch and the runtimes are imported only when they are used, so that the help of the command line is fast.
"""

from __future__ import annotations

from pathlib import Path

from cardinet.base.errors import RequestError, nearest
from cardinet.runtimes.formats.format import Format
from cardinet.runtimes.formats.onnx import Onnx
from cardinet.runtimes.formats.openvino import OpenVino
from cardinet.runtimes.formats.torch_export import TorchExport

FORMATS: dict[str, Format] = {format.name: format for format in (Onnx(), TorchExport(), OpenVino())}
"""The formats by name, in the order of the listing."""


def format_named(name: object) -> Format:
    """The format with a name. Raises RequestError, with the nearest names, for an unknown one."""
    if not isinstance(name, str) or name not in FORMATS:
        raise RequestError(f'There is no format "{name}" ({nearest(name, FORMATS)}); use {", ".join(FORMATS)}.')
    return FORMATS[name]


def format_of(path: Path) -> Format | None:
    """The format with the suffix of a path; None if there is none."""
    return next((format for format in FORMATS.values() if format.suffix == path.suffix), None)


def suffixes() -> str:
    """The suffixes of exported files as a text."""
    return ", ".join(format.suffix for format in FORMATS.values())


def quantized_formats() -> tuple[str, ...]:
    """The names of the formats that can be quantized."""
    return tuple(name for name, format in FORMATS.items() if format.int8 is not None)
