"""The formats of exported files: a row each.

Nothing here imports torch or a runtime before it is used, so the help of the command line is instant.
"""

from __future__ import annotations

from pathlib import Path

from cardinet.base.errors import RequestError, nearest
from cardinet.export.formats.format import Format
from cardinet.export.formats.onnx import Onnx
from cardinet.export.formats.openvino import OpenVino
from cardinet.export.formats.torch_export import TorchExport

FORMATS: dict[str, Format] = {format.name: format for format in (Onnx(), TorchExport(), OpenVino())}
"""By name, in the order of the listing."""


def format_named(name: object) -> Format:
    """The format of a name. Raises RequestError with the nearest ones for an unknown one."""
    if not isinstance(name, str) or name not in FORMATS:
        raise RequestError(f'There is no format "{name}" ({nearest(name, FORMATS)}); use {", ".join(FORMATS)}.')
    return FORMATS[name]


def format_of(path: Path) -> Format | None:
    """The format whose files end as this one does."""
    return next((format for format in FORMATS.values() if format.suffix == path.suffix), None)


def suffixes() -> str:
    """How exported files end, in words."""
    return ", ".join(format.suffix for format in FORMATS.values())


def quantized_formats() -> tuple[str, ...]:
    """The names of those that can be quantized."""
    return tuple(name for name, format in FORMATS.items() if format.int8 is not None)
